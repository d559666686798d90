/*
 * The protocol of a rotation, for spin (https://spinroot.com). README.md tells what is modelled and what is not.
 *
 * One connection and two rotations of it, one after the other; two workers; an operator; the two systems, and what can
 * go wrong between them. A run may have MISFORTUNES of any kinds, at any points:
 *
 *   a worker dies; its lease runs out in mid-call; it is stopped between two steps
 *   a call is put off, refused, or breaks the worker's code; its answer is lost: done, not done, or done late
 *   a system goes away for good
 *   somebody else writes, spoils or deletes the certificate, in NetSuite or in OpenAir
 *   an operator's command arrives twice
 *
 * Every guard is a macro, and -DNO_<guard> takes it away: then a property must fail. A line that is printed with `@`
 * is an event; the conformance test replays them with the real code.
 */

#ifndef MISFORTUNES
#define MISFORTUNES 2
#endif
#ifndef ROTATIONS
#define ROTATIONS 2   /* of the one connection, one after the other */
#endif
#define WORKERS  2
#define TRIES    2    /* inside a step (orchestrator/patience.py: attempts) */
#define PUT_OFFS 1    /* of a step before it is given up (orchestrator/patience.py: most_put_offs) */

/* === what there is ================================================================================================ */

mtype:state = { Requested, KeyGenerated, UploadedToNetSuite, SavedToOpenAir, Completed, Failed };

/* Certificates, by number. Whoever makes a candidate makes another one: it is named for its rotation and its maker. */
#define MISSING         0                      /* there is no record */
#define MUTE            1                      /* a stranger's, with which NetSuite cannot sign */
#define FOREIGN         2                      /* a stranger's */
#define PREVIOUS        3                      /* what both sides hold at first */
#define CANDIDATE(r, w) (4 + WORKERS * (r) + (w))
#define CERTIFICATES    (4 + WORKERS * ROTATIONS)

byte netsuite = PREVIOUS;                      /* the certificate in NetSuite's record */
byte openair  = PREVIOUS;                      /* the certificate that OpenAir holds */
bool netsuite_gone, openair_gone;              /* it answers no more */

/* Requests that may still land though nobody waits for their answer: at most one of a kind for a rotation. */
byte install_flies[ROTATIONS], save_flies[ROTATIONS];          /* which certificate, or 0 */
bool install_creates[ROTATIONS];

/* A row of the table `rotations`; in a worker's hand, the row as it read it or as it last wrote it. */
typedef Rotation {
  mtype:state state;
  mtype:state failed_from;                     /* 0 unless it is Failed */
  byte candidate;                              /* 0 before there is one */
  byte tries;                                  /* put-offs of the step in hand */
  bool doubt;                                  /* a write may have been sent whose answer nobody saw */
  bool may_create, may_overwrite;              /* what the operator allowed on resuming */
}

Rotation row[ROTATIONS];
byte rotations;                                /* how many were asked for so far */

#define NOBODY WORKERS
byte holder[ROTATIONS] = NOBODY;               /* who holds it, or held it when the lease ran out */
bool leased[ROTATIONS];                        /* the lease still runs, by the database's clock */

/*
 * Versions and fencing tokens only grow, and are only compared for equality with what was read. One bit each says as
 * much: whether nobody wrote the row, or claimed it, since then.
 */
bool version_is_as_read[WORKERS], fence_is_mine[WORKERS], operator_version_is_as_read;

byte busy_with[WORKERS];                       /* the rotation that a live worker has in hand, from 1; or 0 */
byte misfortunes = MISFORTUNES;                /* how many may still happen */

#define ACTIVE(r)   (row[r].state != Completed && row[r].state != Failed)
#define OPEN(r)     ((r) < rotations && row[r].state != Completed)
#define EXPECTED(r) ((r) == 0 -> PREVIOUS : row[0].candidate)  /* what NetSuite holds before the upload */

#define MISFORTUNE  misfortunes > 0 -> misfortunes--

/* === the guards =================================================================================================== */

#ifdef NO_VERSION
#define VERSION_IS_AS_READ(bit)  true
#else
#define VERSION_IS_AS_READ(bit)  (bit)
#endif
#ifdef NO_FENCE
#define FENCE_IS_MINE(w)         true
#else
#define FENCE_IS_MINE(w)         fence_is_mine[w]
#endif
#ifdef NO_LEASE
#define LEASE_RUNS(r)            false
#else
#define LEASE_RUNS(r)            leased[r]
#endif
#ifdef NO_LEASE_END
#define LEASE_ENDS               false
#else
#define LEASE_ENDS               true
#endif
#ifdef NO_ONE_OPEN
#define MAY_ASK_FOR(r)           true
#elif defined(NO_PARKED_IS_OPEN)
#define MAY_ASK_FOR(r)           ((r) == 0 || !ACTIVE((r) - 1))
#else
#define MAY_ASK_FOR(r)           ((r) == 0 || !OPEN((r) - 1))
#endif
#ifdef NO_DEADLINE
#define ALL_LANDED(r)            true
#else
#define ALL_LANDED(r)            ((r) == 0 || (!install_flies[(r) - 1] && !save_flies[(r) - 1] \
                                  && busy_with[0] != (r) && busy_with[1] != (r)))
#endif
#ifdef NO_SEALED_CANDIDATE
#define CANDIDATE_OF(r, w)       CANDIDATE(r, w)
#else
#define CANDIDATE_OF(r, w)       row[r].candidate
#endif
#ifdef NO_DOUBT_AFTER_LOSS
#define DOUBT_AFTER_LOSS         false
#else
#define DOUBT_AFTER_LOSS         true
#endif
#ifdef NO_DOUBT_AFTER_LEASE
#define DOUBT_AFTER_LEASE        false
#else
#define DOUBT_AFTER_LEASE        true
#endif
#ifdef NO_SECOND_LOOK
#define LOOKS_IN_DOUBT           1
#else
#define LOOKS_IN_DOUBT           2
#endif
#ifdef NO_PROOF
#define PROVED_BY(answer)        true          /* any answer will do, whatever NetSuite signs with */
#else
#define PROVED_BY(answer)        (answer)
#endif
#ifdef NO_FOREIGN_CHECK
#define MAY_REPLACE              true
#else
#define MAY_REPLACE              my.may_overwrite
#endif
#ifdef NO_EXPECTED_ONCE
#define EXPECTED_STILL           true
#else
#define EXPECTED_STILL           (my.state == KeyGenerated)
#endif
#ifdef NO_OPENAIR_FIRST
#define OPENAIR_FIRST            false
#else
#define OPENAIR_FIRST            true
#endif
#ifdef NO_FRESH_PROOF
#define PROOF_IS_FRESH           true
#else
#define PROOF_IS_FRESH           proved
#endif
#ifdef NO_READ_BACK
#define READ_BACK                false
#else
#define READ_BACK                true
#endif
#ifdef NO_VERIFY
#define VERIFY                   false
#else
#define VERIFY                   true
#endif
#ifdef NO_PATIENCE_END
#define PATIENCE_ENDS            false
#else
#define PATIENCE_ENDS            (my.tries >= PUT_OFFS)
#endif

/* === what must hold =============================================================================================== */

mtype:property = {
  openair_second,   /* rule 1: OpenAir is never written with a certificate that NetSuite has not signed with before */
  one_open,         /* rule 3: a connection has at most one open rotation */
  compare_and_set,  /* rule 4: no write with an old version or fencing token succeeds */
  look_before,      /* rule 5: after an unknown outcome its holder looks twice before it sends again */
  one_candidate,    /* whatever happens, one rotation sends one certificate */
  only_forward,     /* a rotation never goes back behind where it was */
  openair_ready,    /* NetSuite is not written before OpenAir was read in the same try */
  none_overwritten, /* what was seen to be a stranger's is not replaced unless a person allowed it */
  none_unnoticed,   /* OpenAir is not written when NetSuite was changed while nobody was at work */
  saved_is_seen,    /* SavedToOpenAir: OpenAir held the candidate */
  both_agree,       /* Completed: both sides hold the candidate, but for what a stranger wrote in that very moment */
  none_overtaken,   /* nothing of a rotation lands once the next one was asked for */
  none_lost         /* when all comes to rest, no rotation is under way: every one was completed or parked */
};

#define MUST(property, condition) \
  if :: condition :: else -> printf("violated: %e\n", property); assert(false) fi

/* In time, if misfortunes end: each rotation is completed or parked, however often it is resumed. */
#define UNDER_WAY(r) ((r) < rotations && ACTIVE(r))
ltl finally { [] (UNDER_WAY(0) -> <> !UNDER_WAY(0)) && [] (UNDER_WAY(ROTATIONS - 1) -> <> !UNDER_WAY(ROTATIONS - 1)) }

/* What an onlooker would note. No guard reads it. */
bool signed[CERTIFICATES];                     /* NetSuite signed with it */
byte sent[ROTATIONS];                          /* the certificate that was sent for this rotation, or 0 */
bool install_unsettled[ROTATIONS];             /* one was sent, and nobody recorded what came of it */
bool save_unsettled[ROTATIONS];
bool seen_in_openair[ROTATIONS];               /* OpenAir held the candidate */
bool changed_unseen;                           /* somebody else wrote NetSuite while nobody worked; not asked since */
bool meddled[WORKERS];                         /* somebody else wrote since this worker's step began */

/* === the two systems ============================================================================================== */

inline netsuite_takes(r, certificate, create) {
  MUST(one_candidate, sent[r] == certificate);
  MUST(none_overtaken, (r) == rotations - 1);
  if
  :: netsuite != MISSING || create -> netsuite = certificate
  :: else
  fi
}

inline openair_takes(r, certificate) {
  MUST(openair_second, signed[certificate]);
  MUST(one_candidate, sent[r] == 0 || sent[r] == certificate);
  MUST(none_overtaken, (r) == rotations - 1);
  openair = certificate;
  if :: certificate == row[r].candidate -> seen_in_openair[r] = true :: else fi
}

/* === the store ==================================================================================================== */

inline print_row(r) {
  printf("@ row %d %e from=%d candidate=%d tries=%d doubt=%d\n",
         r, row[r].state, row[r].failed_from, row[r].candidate, row[r].tries, row[r].doubt)
}

/* Whoever else had read the row has an old version now. */
inline written(r, writer) {
  if :: writer != 0 && busy_with[0] == r + 1 -> version_is_as_read[0] = false :: else fi;
  if :: writer != 1 && busy_with[1] == r + 1 -> version_is_as_read[1] = false :: else fi;
  operator_version_is_as_read = operator_version_is_as_read && asked_about != r + 1;
  print_row(r)
}
