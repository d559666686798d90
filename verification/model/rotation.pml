/*
 * The protocol of a rotation, for spin (https://spinroot.com). README.md explains what the model covers.
 *
 * One connection with ROTATIONS rotations, one after the other; two workers; an operator who resumes or abandons; Ada,
 * who restores, adopts, or abandons in doubt (endings.pml); the two systems; and failures. A run can have MISFORTUNES
 * of any kind, at any point:
 *
 *   a worker dies; its lease expires during a call; it stops between two steps
 *   a call is postponed, refused, or raises an unexpected error in the worker; its answer is lost, and it was done, was
 *   not done, or is done late
 *   a system disappears for good
 *   another party replaces, damages or deletes the certificate, in NetSuite or in OpenAir
 *   an operator's command arrives twice; a person parks a rotation that no worker holds
 *
 * Every guard is a macro, and -DNO_<guard> removes it: then a property must fail. A line printed with `@` is an event,
 * or the row as it was written. The conformance test replays these lines with the real code.
 *
 * Reading order: the variables; what must hold; proctype Worker, near the end, and its core, go_on, above it; the
 * guards, where they are used. A set of names (mtype:states) must not have the name of a variable: spin 6.5 would take
 * that variable for a global one.
 */

#ifndef MISFORTUNES
#define MISFORTUNES 2
#endif
#ifndef ROTATIONS
#define ROTATIONS 2   /* 1 or 2 */
#endif
#define WORKERS  2
#define TRIES    2    /* within a step (orchestrator/retry.py: attempts) */
#define POSTPONEMENTS 1    /* of a step, before it is given up (orchestrator/retry.py: most_put_offs) */

/* === variables ==================================================================================================== */

mtype:states = { Requested, KeyGenerated, UploadedToNetSuite, SavedToOpenAir, Completed, Failed };

/* Certificates, by number. Each worker would create a different candidate, so its number has rotation and worker. */
#define MISSING         0                      /* there is no record */
#define MUTE            1                      /* a foreign one, with which NetSuite cannot sign */
#define FOREIGN         2                      /* a foreign one */
#define PREVIOUS        3                      /* both sides hold it at first */
#define CANDIDATE(r, w) (4 + WORKERS * (r) + (w))
#define CERTIFICATES    (4 + WORKERS * ROTATIONS)
#define MUTED(c)        ((c) + WORKERS * ROTATIONS)  /* that candidate, with which NetSuite cannot sign */
#define IS_MUTE(c)      ((c) == MUTE || (c) >= CERTIFICATES)

byte netsuite = PREVIOUS;                      /* the certificate in NetSuite's record */
byte openair  = PREVIOUS;                      /* the certificate that OpenAir holds */
bool netsuite_gone, openair_gone;              /* it no longer answers */

/* Requests in flight whose answer no process awaits: at most one of each kind per rotation. */
byte install_flies[ROTATIONS], save_flies[ROTATIONS];          /* which certificate, or 0 */
bool install_creates[ROTATIONS];

/* A worker's next action: one remote call, or one write to the store. Between two of these anything can happen. */
mtype:phases = { idle, sign, check, install, read, save, store, stop };

mtype:endings = { Abandoned, Restored, Adopted };

/* A row of the table `rotations`; for a worker, the row as it read or last wrote it. */
typedef Rotation {
  mtype:states state;
  mtype:states failed_from;                    /* 0 unless it is Failed */
  byte candidate;                              /* 0 before it exists */
  byte tries;                                  /* postponements of the current step */
  bool doubt;                                  /* a write without an answer may have been sent */
  bool may_create, may_overwrite;              /* what the operator allowed when resuming */
  bool foreign;                                /* parked because NetSuite signed with a foreign key */
}

Rotation row[ROTATIONS];
mtype:endings ending[ROTATIONS];               /* how a Failed rotation was closed; 0 while it is open */
bool restoring[ROTATIONS];                     /* a restore may have sent the previous certificate */
byte rotations;                                /* how many were requested so far */
byte current = PREVIOUS;                       /* the connection's current certificate */
byte expected[ROTATIONS];                      /* the certificate that NetSuite should hold before the upload */

#define ADA    WORKERS                         /* the operator who asks the systems (endings.pml); to restore, she holds as a worker */
#ifdef ITSELF
#define KEYTURN (WORKERS + 1)                  /* the worker that restores by itself */
#define ACTORS (WORKERS + 2)
#else
#define ACTORS (WORKERS + 1)
#endif
#define NO_HOLDER ACTORS
byte holder[ROTATIONS] = NO_HOLDER;               /* who holds it, or held it when the lease ran out */
bool leased[ROTATIONS];                        /* the lease is valid, by the database's clock */
bool in_flight[ROTATIONS];                     /* a request in doubt can still land: in_flight_until is ahead */

/*
 * Versions and fencing tokens only grow, and are only compared for equality with what was read. So one bit each is
 * enough: whether another process wrote the row, or claimed it, since then.
 */
bool version_is_as_read[ACTORS], fence_is_mine[ACTORS], operators_version_is_as_read;

byte busy_with[ACTORS];                        /* the rotation that a live worker, or Ada, works on, from 1; or 0 */
bool overdue[ACTORS];                          /* the deadline of its try's install is over */
bool noted_restore[ACTORS];                    /* it recorded that it will put the previous certificate back */
bool about_to_save[WORKERS];                   /* its check succeeded, and it saves next */
byte operator_read;                            /* the rotation that the operator has in view, from 1; or 0 */
byte misfortunes = MISFORTUNES;                /* how many can still happen */

#ifndef LULL
#define MISFORTUNE        misfortunes > 0 -> misfortunes--
#define COMMON_MISFORTUNE MISFORTUNE
#define LEFT_ALONE        true
#else  /* Random runs: up to LULL calls pass between two misfortunes, so that those of a write get a chance. */
#define MISFORTUNE        misfortunes > 0 && lull == 0 -> misfortunes--; lull = (calls * 37) % (LULL + 1)
#define COMMON_MISFORTUNE calls % 8 == 0 && MISFORTUNE
#define LEFT_ALONE        misfortunes == 0
int calls, lull = LULL;
#endif

#define ACTIVE(r)   (row[r].state != Completed && row[r].state != Failed)
#define OPEN(r)     ((r) < rotations && row[r].state != Completed && !ending[r])
#define PARKED(r)   (OPEN(r) && row[r].state == Failed)
#define SECOND      (ROTATIONS - 1)

#define NEXT(s)     ((s) == Requested -> KeyGenerated : ((s) == KeyGenerated -> UploadedToNetSuite \
                  : ((s) == UploadedToNetSuite -> SavedToOpenAir : Completed)))
#define RANK(s)     ((s) == Requested -> 0 : ((s) == KeyGenerated -> 1 : ((s) == UploadedToNetSuite -> 2 \
                  : ((s) == SavedToOpenAir -> 3 : 4))))
#define RANK_OF(rotation)  (rotation.state == Failed -> RANK(rotation.failed_from) : RANK(rotation.state))

/* === the guards =================================================================================================== */

/* Rule 4. Each write compares the version that was read; a worker's write also compares its fencing token. */
#ifdef NO_VERSION
#define AS_READ(version_is_as_read) true
#else
#define AS_READ(version_is_as_read) (version_is_as_read)
#endif
#ifdef NO_FENCE
#define MINE(fence_is_mine)         true
#else
#define MINE(fence_is_mine)         (fence_is_mine)
#endif

/* A leased rotation cannot be claimed, and every lease ends. */
#ifdef NO_LEASE
#define LEASE_RUNS(r)               false
#else
#define LEASE_RUNS(r)               leased[r]
#endif
#ifdef NO_LEASE_END
#define LEASES_END                  false
#else
#define LEASES_END                  true
#endif

/* Rule 3, and that a parked rotation holds its connection. */
#ifdef NO_ONE_OPEN
#define MAY_ASK_FOR(r)              true
#elif defined(NO_PARKED_IS_OPEN)
#define MAY_ASK_FOR(r)              ((r) == 0 || !ACTIVE((r) - 1))
#else
#define MAY_ASK_FOR(r)              ((r) == 0 || !OPEN((r) - 1))
#endif

/* Without asking NetSuite, only a rotation whose candidate was never sent is abandoned. endings.pml has the rest. */
#ifdef NO_ABANDON_UNSENT
#define MAY_ABANDON(r)              true
#else
#define MAY_ABANDON(r)              (!row[r].doubt && RANK_OF(row[r]) <= RANK(KeyGenerated))
#endif

/* A rotation is resumed only when the request of an unfinished restore can no longer land. */
#ifdef NO_RESUME_WAITS
#define MAY_RESUME(r)               true
#else
#define MAY_RESUME(r)               (!(restoring[r] && in_flight[r]))
#endif

/* A rotation waits until the requests in doubt of the one before have landed or never will. */
#ifdef NO_HOLD_OFF
#define AVAILABLE(r)                true
#else
#define AVAILABLE(r)                ((r) == 0 || !in_flight[0])
#endif

/* NetSuite refuses an install after its deadline, which counts from before the look that allowed the install. */
#ifdef NO_DEADLINE
#define IS_OVERDUE(overdue)         false
#else
#define IS_OVERDUE(overdue)         (overdue)
#endif

/* Right before each write to the two systems, a worker checks whether it still holds the rotation. */
#ifdef NO_CHECK
#define STILL_HOLDS(fence_is_mine)  true
#else
#define STILL_HOLDS(fence_is_mine)  (fence_is_mine)
#endif

/* The candidate is committed before any remote call, and every retry takes it from the store. */
#ifdef NO_COMMITTED_CANDIDATE
#define COMMITTED(r, w)             CANDIDATE(r, w)
#else
#define COMMITTED(r, w)             row[r].candidate
#endif

/* Rule 5. A lost answer, or a lease that was never released, leaves a doubt. The store records it before anything else
   is sent. In doubt, a worker looks twice. */
#ifdef NO_DOUBT_AFTER_LOSS
#define DOUBT_AFTER_LOSS            false
#else
#define DOUBT_AFTER_LOSS            true
#endif
#ifdef NO_RECORDED_FIRST
#define RECORDED_FIRST                  false
#else
#define RECORDED_FIRST                  true
#endif
#ifdef NO_DOUBT_AFTER_LEASE
#define DOUBT_AFTER_LEASE           false
#else
#define DOUBT_AFTER_LEASE           true
#endif
#ifdef NO_SECOND_LOOK
#define LOOKS_IN_DOUBT              1
#else
#define LOOKS_IN_DOUBT              2
#endif

/* Rule 1. NetSuite has confirmed the certificate only if its key made the signature. */
#ifdef NO_PROOF
#define IS_PROOF(signer, of)        true
#else
#define IS_PROOF(signer, of)        ((signer) == (of))
#endif
#ifdef NO_FRESH_PROOF
#define IS_FRESH(proved)            true
#else
#define IS_FRESH(proved)            (proved)
#endif

/* A foreign key is replaced only if a person allowed it. The expected key is expected only before the upload. */
#ifdef NO_FOREIGN_CHECK
#define MAY_REPLACE(may_overwrite)  true
#else
#define MAY_REPLACE(may_overwrite)  (may_overwrite)
#endif
#ifdef NO_EXPECTED_ONCE
#define STILL_EXPECTED(state)       true
#else
#define STILL_EXPECTED(state)       ((state) == KeyGenerated)
#endif

/* A record that cannot sign is the rotation's own only if it shows the candidate's validity. */
#ifdef NO_MUTE_IS_OURS
#define IS_OURS(mute, candidate)    true
#else
#define IS_OURS(mute, candidate)    ((mute) == MUTED(candidate))
#endif

/* A worker reads OpenAir before the upload, after the save, and at the end. */
#ifdef NO_OPENAIR_FIRST
#define OPENAIR_FIRST               false
#else
#define OPENAIR_FIRST               true
#endif
#ifdef NO_READ_BACK
#define READ_BACK                   false
#else
#define READ_BACK                   true
#endif
#ifdef NO_VERIFY
#define VERIFY                      false
#else
#define VERIFY                      true
#endif

/* Rule 8. Retries end, and the rotation is parked. */
#ifdef NO_RETRY_END
#define RETRIES_END(tries)        false
#else
#define RETRIES_END(tries)        ((tries) >= POSTPONEMENTS)
#endif

/* === what must hold =============================================================================================== */

mtype:properties = {
  openair_second,   /* rule 1: OpenAir is never written with a certificate that NetSuite has not signed with before */
  one_open,         /* rule 3: a connection has at most one open rotation */
  compare_and_set,  /* rule 4: no write with an old version or fencing token succeeds */
  recorded_first,       /* rule 5: after an unknown outcome, nothing is sent again before the store has the doubt */
  look_before,      /* rule 5: after an unknown outcome, the holder looks twice before it sends again */
  one_candidate,    /* a rotation sends only one certificate */
  only_forward,     /* a rotation never moves backwards */
  openair_ready,    /* NetSuite is not written before OpenAir was read in the same attempt */
  none_overwritten, /* a certificate that was seen to be foreign is not replaced unless a person allowed it */
  none_unnoticed,   /* OpenAir is not written after a change to NetSuite during which no worker was active */
  saved_is_seen,    /* SavedToOpenAir: OpenAir held the candidate */
  both_agree,       /* Completed, restored, adopted: both hold the candidate, the previous one, or one same
                       certificate, except for what another party wrote meanwhile */
  restore_helps,    /* the previous certificate is put back only if OpenAir holds it */
  none_undone,      /* no earlier request lands after a restore, an adopt or a resume */
  abandoned_unsent, /* without asking, only a rotation is abandoned whose certificate was never sent to NetSuite */
  abandoned_gone,   /* neither system holds the certificate of an abandoned rotation, or gets it later */
  none_overtaken,   /* no request of a rotation lands after the next one began */
  none_lost         /* when nothing more can happen, each rotation is completed or parked */
};

#ifndef ONLY
#define LOOKED_AT(property) true
#else
#define LOOKED_AT(property) (property == ONLY)   /* -DONLY=property: check only that one */
#endif
#define MUST(property, condition)                                                      \
  if                                                                                   \
  :: !LOOKED_AT(property) || (condition)                                               \
  :: else -> violated = property; printf("@ violated %e\n", violated); assert(false)   \
  fi

/* printf knows the names of values only for plain variables. */
hidden mtype:properties violated;
hidden mtype:states shown_state, shown_from;
hidden mtype:endings shown_ending;
hidden mtype:phases shown_call;

/* Once misfortunes end, each rotation is eventually completed or parked, however often it is resumed. */
#define UNDER_WAY(r) ((r) < rotations && ACTIVE(r))
ltl finally { [] (UNDER_WAY(0) -> <> !UNDER_WAY(0)) && [] (UNDER_WAY(SECOND) -> <> !UNDER_WAY(SECOND)) }

/* The observer's variables. No guard reads them. */
bool has_signed[CERTIFICATES];                 /* NetSuite signed with it */
byte begun;                                    /* the newest rotation that was ever claimed */
byte sent[ROTATIONS];                          /* the certificate that was sent to NetSuite for this rotation, or 0 */
bool install_unsettled[ROTATIONS];             /* the holder sent one, and its outcome is unknown */
bool save_unsettled[ROTATIONS];
bool seen_in_openair[ROTATIONS];               /* OpenAir held the candidate */
bool changed_unseen;                           /* NetSuite changed while no worker was active, and was not asked since */
bool changed_by_others[ACTORS];                          /* another party wrote since this worker's step began */

/* === the two systems ============================================================================================== */

inline netsuite_takes(r, certificate, create) {
  MUST(none_overtaken, (r) == begun);
  MUST(abandoned_gone, ending[r] != Abandoned);
  MUST(none_undone, ((certificate) == expected[r] -> row[r].state == Failed && ending[r] != Adopted : !ending[r]));
  if
  :: netsuite == MISSING && !(create)
  :: else -> netsuite = certificate
  fi
}

inline openair_takes(r, certificate) {
  MUST(openair_second, has_signed[certificate]);
  MUST(none_overtaken, (r) == begun);
  MUST(abandoned_gone, ending[r] != Abandoned);
  openair = certificate;
  seen_in_openair[r] = seen_in_openair[r] || certificate == row[r].candidate
}

/* === the store ==================================================================================================== */

/* Other processes that have read the row now have an old version. */
inline written(r, writer) {
  version_is_as_read[0] = version_is_as_read[0] && (writer == 0 || busy_with[0] != r + 1);
  version_is_as_read[1] = version_is_as_read[1] && (writer == 1 || busy_with[1] != r + 1);
  version_is_as_read[ADA] = version_is_as_read[ADA] && (writer == ADA || busy_with[ADA] != r + 1);
#ifdef ITSELF
  version_is_as_read[KEYTURN] = version_is_as_read[KEYTURN] && (writer == KEYTURN || busy_with[KEYTURN] != r + 1);
#endif
  operators_version_is_as_read = operators_version_is_as_read && operator_read != r + 1;
  shown_state = row[r].state;
  shown_from = row[r].failed_from;
  shown_ending = ending[r];
  printf("@ row %d %e from=%e ending=%e candidate=%d tries=%d doubt=%d flight=%d create=%d overwrite=%d restoring=%d foreign=%d netsuite=%d openair=%d\n",
         r, shown_state, shown_from, shown_ending, row[r].candidate, row[r].tries, row[r].doubt, in_flight[r],
         row[r].may_create, row[r].may_overwrite, restoring[r], row[r].foreign, netsuite, openair)
}

#define CLAIMABLE(r) ((r) < rotations && ACTIVE(r) && AVAILABLE(r) && (holder[r] == NO_HOLDER || !LEASE_RUNS(r)))

/* Claim. A rotation that its last worker never released is in doubt. */
inline claim(r) {
  printf("@ claim %d %d\n", me, r);
  fence_is_mine[1 - me] = fence_is_mine[1 - me] && busy_with[1 - me] != r + 1;
  fence_is_mine[ADA] = fence_is_mine[ADA] && busy_with[ADA] != r + 1;
#ifdef ITSELF
  fence_is_mine[KEYTURN] = fence_is_mine[KEYTURN] && busy_with[KEYTURN] != r + 1;
#endif
  fence_is_mine[me] = true;
  version_is_as_read[me] = true;
  busy_with[me] = r + 1;
  begun = (r > begun -> r : begun);
  if
  :: holder[r] != NO_HOLDER ->
     row[r].doubt = row[r].doubt || DOUBT_AFTER_LEASE;
     in_flight[r] = true;
     written(r, me)
  :: else
  fi;
  holder[r] = me;
  leased[r] = true;
  my.state = row[r].state;
  my.candidate = COMMITTED(r, me);
  my.tries = row[r].tries;
  my.doubt = row[r].doubt;
  my.may_create = row[r].may_create;
  my.may_overwrite = row[r].may_overwrite
}

/* Advance: compare-and-set on version and fencing token. */
inline advance(r) {
  if
  :: AS_READ(version_is_as_read[me]) && MINE(fence_is_mine[me]) ->
     printf("@ %e %d stored\n", todo, me);
     MUST(compare_and_set, version_is_as_read[me] && fence_is_mine[me]);
     if
     :: todo == move ->
        my.state = NEXT(my.state);
        my.tries = 0;
        my.doubt = false;
        my.may_create = false;
        my.may_overwrite = false;
        install_unsettled[r] = false;
        save_unsettled[r] = false
     :: todo == unknown -> my.doubt = my.doubt || DOUBT_AFTER_LOSS
     :: todo == postpone -> my.tries++
     :: todo == park ->
        my.failed_from = my.state; my.state = Failed; my.tries = 0; my.foreign = signed_by_another
     fi;
     MUST(only_forward, RANK_OF(my) >= RANK_OF(row[r]));
     MUST(saved_is_seen, my.state != SavedToOpenAir || seen_in_openair[r]);
     MUST(both_agree, my.state != Completed || changed_by_others[me]
                      || (netsuite == my.candidate && openair == my.candidate));
     current = (my.state == Completed -> my.candidate : current);
     row[r].state = my.state;
     row[r].failed_from = my.failed_from;
     row[r].candidate = my.candidate;
     row[r].tries = my.tries;
     row[r].doubt = my.doubt;
     row[r].may_create = my.may_create;
     row[r].may_overwrite = my.may_overwrite;
     row[r].foreign = my.foreign;
     in_flight[r] = in_flight[r] || (todo == unknown && DOUBT_AFTER_LOSS) || broken;
     written(r, me);
     if
     :: todo == unknown -> holder[r] = me; leased[r] = true; then = Noted
     :: todo == move && my.state != Completed -> holder[r] = me; leased[r] = true; then = Begin
     :: else -> holder[r] = NO_HOLDER; leased[r] = false; then = LetGo
     fi
  :: else -> printf("@ %e %d stale\n", todo, me); then = LetGo
  fi
}

/* Release: between two steps, with nothing in doubt. */
inline release(r) {
  if
  :: MINE(fence_is_mine[me]) ->
     printf("@ release %d stored\n", me);
     MUST(compare_and_set, fence_is_mine[me]);
     holder[r] = NO_HOLDER;
     leased[r] = false
  :: else -> printf("@ release %d stale\n", me)
  fi;
  then = LetGo
}

/* === a worker ===================================================================================================== */

mtype:reasons = { is_ready, before_saving, read_back, compare };            /* why OpenAir is read */
mtype:writes  = { move, unknown, postpone, park };                           /* what is written to the store */

/* What follows from the last answer. */
mtype:outcomes = {
  Begin, Try, Ask, Look, NotThere, Proved, SaveIt, Lost, Noted, Later, Refused, Broke, Store, LetGo, Wait
};

#define LOOKS (in_doubt -> LOOKS_IN_DOUBT : 1)

/* What follows from an answer, up to the next call (states/steps.py, orchestrator/retry.py and engine.py). */
inline go_on() {
  do
  :: then == Begin ->                          /* a step; a worker stops only between two steps */
     tried = 0;
     changed_by_others[me] = false;
     if
     :: then = Try
     :: COMMON_MISFORTUNE; phase = stop; then = Wait
     fi
  :: then == Try ->
     reads = 0; sent_it = false; saved_it = false; noted = false; openair_read = false; saw_foreign = false;
     signed_by_another = false; was_refused = false;
     in_doubt = my.doubt;
     overdue[me] = false;
     if
     :: my.state == Requested -> my.candidate = CANDIDATE(r, me); todo = move; then = Store
     :: my.state == KeyGenerated -> then = Ask
     :: my.state == UploadedToNetSuite && in_doubt -> phase = read; why = before_saving; then = Wait
     :: my.state == UploadedToNetSuite && !in_doubt -> then = SaveIt
     :: my.state == SavedToOpenAir && VERIFY -> then = Ask
     :: my.state == SavedToOpenAir && !VERIFY -> todo = move; then = Store
     fi
  :: then == Ask ->                            /* NetSuite, whose key it holds */
     looks = 0;
     wanted = LOOKS;
     phase = sign; then = Wait
  :: then == Look ->                           /* it is not the candidate, but can be replaced */
     looks++;
     if
     :: looks < wanted -> phase = sign; then = Wait
     :: else -> then = NotThere
     fi
  :: then == NotThere ->
     if
     :: sent_it && was_refused -> sent_it = false; then = Refused
     :: sent_it && !was_refused -> then = Later
     :: !sent_it && OPENAIR_FIRST -> phase = read; why = is_ready; then = Wait
     :: !sent_it && !OPENAIR_FIRST -> phase = check; sends = install; then = Wait
     fi
  :: then == Proved ->
     sent_it = false; was_refused = false;
     if
     :: my.state == KeyGenerated -> proved = true; todo = move; then = Store
     :: my.state == UploadedToNetSuite -> phase = check; sends = save; then = Wait
     :: my.state == SavedToOpenAir -> phase = read; why = compare; then = Wait
     fi
  :: then == SaveIt ->                         /* any time may have passed since the proof */
     if
     :: IS_FRESH(proved) -> phase = check; sends = save; then = Wait
     :: true -> proved = false; printf("@ aged %d\n", me); then = Ask
     fi
  :: then == Lost && RECORDED_FIRST -> todo = unknown; then = Store
  :: then == Lost && !RECORDED_FIRST -> my.doubt = true; then = Noted
  :: then == Noted ->                          /* the store has the doubt; now look, twice */
     noted = true; looks = 0;
     if
     :: sent_it -> wanted = 2; phase = sign; then = Wait
     :: !sent_it && saved_it -> phase = read; why = read_back; then = Wait
     :: !sent_it && !saved_it -> then = Later
     fi
  :: (then == Later || then == Refused) && (sent_it || saved_it) ->
     then = (noted -> Later : Lost);           /* OpenAir answered, but does not show it: unknown too */
     save_unsettled[r] = save_unsettled[r] || (saved_it && fence_is_mine[me]);
     sent_it = false; saved_it = false
  :: then == Later && !sent_it && !saved_it ->
     tried++;
     signed_by_another = false;
     if
     :: tried < TRIES -> then = Try
     :: tried >= TRIES && !RETRIES_END(my.tries) -> todo = postpone; then = Store
     :: tried >= TRIES && RETRIES_END(my.tries) -> todo = park; then = Store
     fi
  :: then == Refused && !sent_it && !saved_it -> todo = park; then = Store
  :: then == Broke -> my.doubt = true; broken = true; signed_by_another = false; todo = park; then = Store
  :: then == Store -> phase = store; then = Wait
  :: then == LetGo ->                          /* it forgets everything */
     busy_with[me] = 0; version_is_as_read[me] = false; fence_is_mine[me] = false; changed_by_others[me] = false;
     overdue[me] = false; about_to_save[me] = false;
     my.state = 0; my.failed_from = 0; my.candidate = 0; my.tries = 0;
     my.doubt = false; my.may_create = false; my.may_overwrite = false; my.foreign = false;
     r = 0; why = is_ready; todo = move; sends = idle; tried = 0; looks = 0; wanted = 0; reads = 0;
     in_doubt = false; sent_it = false; saved_it = false; noted = false; proved = false;
     openair_read = false; saw_foreign = false; signed_by_another = false; broken = false; was_refused = false;
     phase = idle; then = Wait
  :: then == Wait -> break
  od
}

/* --- its remote calls --------------------------------------------------------------------------------------------- */

#define SIGNS_ANOTHER(certificate) (certificate != MISSING && !IS_MUTE(certificate) && certificate != my.candidate)

/* Failures of any call that change nothing. */
#define TROUBLE(call, misfortune)                                                                 \
  :: misfortune; shown_call = call; printf("@ %e %d later\n", shown_call, me); then = Later       \
  :: misfortune; shown_call = call; printf("@ %e %d refused\n", shown_call, me); then = Refused   \
  :: misfortune; shown_call = call; printf("@ %e %d broke\n", shown_call, me); then = Broke

/* NetSuite signs a challenge, which shows whose key it holds. */
inline netsuite_sign() {
  if
  :: netsuite_gone -> printf("@ sign %d gone\n", me); then = Later
  TROUBLE(sign, !netsuite_gone && COMMON_MISFORTUNE)
  :: !netsuite_gone ->
     printf("@ sign %d done\n", me);
     changed_unseen = false;
     if
     :: netsuite == MISSING -> then = (my.may_create -> Look : Refused)
     :: IS_MUTE(netsuite) ->
        saw_foreign = saw_foreign || netsuite != MUTED(my.candidate);
        then = (MAY_REPLACE(my.may_overwrite) || (in_doubt && IS_OURS(netsuite, my.candidate)) -> Look : Refused)
     :: netsuite != MISSING && !IS_MUTE(netsuite) ->
        has_signed[netsuite] = true;
        saw_foreign = saw_foreign || (netsuite != my.candidate && (netsuite != expected[r] || my.state != KeyGenerated));
        install_unsettled[r] = install_unsettled[r] && netsuite != my.candidate;
        if
        :: IS_PROOF(netsuite, my.candidate) -> then = Proved
        :: !IS_PROOF(netsuite, my.candidate) && netsuite == expected[r] && STILL_EXPECTED(my.state) -> then = Look
        :: else ->
           then = (MAY_REPLACE(my.may_overwrite) -> Look : Refused);
           signed_by_another = (then == Refused)
        fi
     fi
  fi
}

/* Check whether another worker has claimed the rotation since. */
inline check_the_hold() {
  if
  :: STILL_HOLDS(fence_is_mine[me]) ->
     printf("@ check %d held\n", me);
     phase = sends;
     about_to_save[me] = (sends == save)
  :: else -> printf("@ check %d stale\n", me); then = LetGo
  fi
}

/* A write is repeated only after the store has the doubt about the first, and the holder looked twice. */
#define LOOKED(unsettled, times) \
  MUST(recorded_first, !(unsettled) || row[r].doubt || !fence_is_mine[me]); \
  MUST(look_before, !(unsettled) || (times) >= 2 || !fence_is_mine[me])

/* The answer was no proof, or there was none: look for the candidate, twice. */
#define LOOK_FOR_IT  sent_it = true; then = Lost

/* A refusal proves nothing either: save() may swap the key, and then throw. */
#define LOOK_AFTER_REFUSAL  was_refused = true; LOOK_FOR_IT

/* NetSuite takes the candidate, and signs a challenge with it in the same call. */
inline netsuite_install() {
  printf("@ about %d install\n", me);
  MUST(openair_ready, openair_read);
  MUST(none_overwritten, !saw_foreign || my.may_overwrite);
  LOOKED(install_unsettled[r], looks);
  MUST(one_candidate, sent[r] == 0 || sent[r] == my.candidate);
  if
  :: netsuite_gone -> printf("@ install %d gone\n", me); then = Later
  :: !netsuite_gone && MISFORTUNE; printf("@ install %d later\n", me); then = Later
  :: !netsuite_gone && MISFORTUNE; printf("@ install %d refused\n", me); LOOK_AFTER_REFUSAL
  :: !netsuite_gone && MISFORTUNE; printf("@ install %d broke\n", me); then = Broke
  :: !netsuite_gone && IS_OVERDUE(overdue[me]) -> printf("@ install %d late\n", me); then = Later
  :: !netsuite_gone && !IS_OVERDUE(overdue[me]) && netsuite == MISSING && !my.may_create ->
     printf("@ install %d done\n", me); LOOK_AFTER_REFUSAL
  :: !netsuite_gone && !IS_OVERDUE(overdue[me]) && (netsuite != MISSING || my.may_create) ->
     sent[r] = my.candidate;
     if
     :: printf("@ install %d done\n", me);
        netsuite_takes(r, my.candidate, my.may_create);
        has_signed[my.candidate] = true;
        then = Proved
     :: MISFORTUNE; printf("@ install %d broke_done\n", me);
        netsuite_takes(r, my.candidate, my.may_create);
        then = Broke
     :: MISFORTUNE; printf("@ install %d lost_done\n", me);
        netsuite_takes(r, my.candidate, my.may_create);
        LOOK_FOR_IT
     :: MISFORTUNE; printf("@ install %d refused_done\n", me);
        netsuite_takes(r, my.candidate, my.may_create);
        LOOK_AFTER_REFUSAL
     :: netsuite != my.candidate && MISFORTUNE; printf("@ install %d mute\n", me);
        netsuite_takes(r, MUTED(my.candidate), my.may_create);
        LOOK_FOR_IT
     :: MISFORTUNE; printf("@ install %d lost\n", me);
        LOOK_FOR_IT
     :: !install_flies[r] && MISFORTUNE; printf("@ install %d lost_late\n", me);
        install_flies[r] = my.candidate; install_creates[r] = my.may_create;
        LOOK_FOR_IT
     :: !install_flies[r] && SIGNS_ANOTHER(netsuite) && MISFORTUNE; printf("@ install %d slow\n", me);
        install_flies[r] = my.candidate; install_creates[r] = my.may_create;
        has_signed[netsuite] = true;
        if                                     /* it was answered, but signed with the key that was not replaced yet */
        :: IS_PROOF(netsuite, my.candidate) -> then = Proved
        :: else -> LOOK_FOR_IT
        fi
     fi;
     install_unsettled[r] = install_unsettled[r] || ((sent_it || then == Broke) && fence_is_mine[me])
  fi
}

inline openair_read_it() {
  if
  :: openair_gone -> printf("@ read %d gone\n", me); then = Later
  TROUBLE(read, !openair_gone && COMMON_MISFORTUNE)
  :: !openair_gone ->
     printf("@ read %d done\n", me);
     openair_read = true;
     if
     :: why == is_ready -> phase = check; sends = install; then = Wait
     :: why != is_ready && openair == my.candidate -> todo = move; then = Store
     :: why == read_back && openair != my.candidate -> looks++; then = (looks < 2 -> Wait : Later)
     :: why == before_saving && openair != my.candidate -> reads++; then = (reads < LOOKS -> Wait : SaveIt)
     :: why == compare && openair != my.candidate ->
        reads++;
        if
        :: reads < LOOKS
        :: reads >= LOOKS && my.may_overwrite -> phase = check; sends = save; then = Wait
        :: reads >= LOOKS && !my.may_overwrite -> then = Refused
        fi
     fi
  fi
}

inline openair_save() {
  printf("@ about %d save\n", me);
  MUST(none_unnoticed, !changed_unseen);
  LOOKED(save_unsettled[r], reads);
  about_to_save[me] = false;
  noted = false;
  if
  :: openair_gone -> printf("@ save %d gone\n", me); then = Later
  TROUBLE(save, !openair_gone && MISFORTUNE)
  :: !openair_gone ->
     saved_it = true;
     if
     :: printf("@ save %d done\n", me); openair_takes(r, my.candidate)
     :: MISFORTUNE; printf("@ save %d broke_done\n", me); openair_takes(r, my.candidate); then = Broke
     :: MISFORTUNE; printf("@ save %d lost_done\n", me); openair_takes(r, my.candidate); then = Lost
     :: MISFORTUNE; printf("@ save %d lost\n", me); then = Lost
     :: !save_flies[r] && MISFORTUNE; printf("@ save %d lost_late\n", me); save_flies[r] = my.candidate; then = Lost
     :: !save_flies[r] && openair != my.candidate && MISFORTUNE; printf("@ save %d slow\n", me);
        save_flies[r] = my.candidate
     fi;
     save_unsettled[r] = save_unsettled[r] || ((then == Lost || then == Broke) && fence_is_mine[me]);
     looks = 0;
     if
     :: then == Lost || then == Broke
     :: then == Wait && READ_BACK -> phase = read; why = read_back
     :: then == Wait && !READ_BACK -> todo = move; then = Store
     fi
  fi
}

/* --- the worker ------------------------------------------------------------------------------------------------- */

proctype Worker(byte me) {
  Rotation my;
  byte r;                                      /* the current rotation */
  mtype:phases phase = idle;
  mtype:outcomes then = Wait;
  mtype:reasons why = is_ready;
  mtype:writes todo = move;
  mtype:phases sends = idle;                   /* what it sends after a successful check */
  byte tried;                                  /* attempts of this step so far */
  byte looks, wanted;                          /* looks at NetSuite in this attempt, or at OpenAir after a save; how many */
  byte reads;                                  /* looks at OpenAir in this attempt, before a save */
  bool in_doubt;                               /* the rotation was in doubt when this attempt began */
  bool was_refused;                            /* NetSuite refused the install of this attempt */
  bool sent_it;                                /* the install of this attempt brought no proof: look for it */
  bool saved_it;                               /* the save of this attempt is being looked for */
  bool noted;                                  /* the store has the doubt */
  bool proved;                                 /* NetSuite has just proved the candidate */
  bool signed_by_another;                      /* NetSuite signed with a foreign key, which must not be replaced */
  bool broken;                                 /* an unexpected error occurred in this step */
  bool openair_read;                           /* observer's: OpenAir answered in this attempt */
  bool saw_foreign;                            /* observer's: NetSuite signed with a foreign key in this attempt */

end:
  do
  :: atomic {
       if
       :: phase == idle && CLAIMABLE(0)      -> r = 0;      claim(r); then = Begin
       :: phase == idle && CLAIMABLE(SECOND) -> r = SECOND; claim(r); then = Begin
       :: phase == sign    -> netsuite_sign()
       :: phase == check   -> check_the_hold()
       :: phase == install -> netsuite_install()
       :: phase == read    -> openair_read_it()
       :: phase == save    -> openair_save()
       :: phase == store   -> advance(r)
       :: phase == stop    -> release(r)
       :: phase != idle && COMMON_MISFORTUNE; printf("@ crash %d\n", me); then = LetGo
       fi;
       go_on();
#ifdef LULL
       calls++; lull = (lull > 0 -> lull - 1 : 0)
#endif
     }
  od
}

#include "endings.pml"

/* === the other processes ========================================================================================== */

/* Requests one rotation after the other; the store refuses one while another is open. */
proctype Schedule() {
  byte r;
end:
  do
  :: r == ROTATIONS -> break
  :: atomic {
       r < ROTATIONS && MAY_ASK_FOR(r) ->
       printf("@ request %d\n", r);
       MUST(one_open, r == 0 || !OPEN(r - 1));
       rotations++;
       row[r].state = Requested;
       expected[r] = current;
       r++
     }
  od
}

/* The operator reads a parked rotation, and decides. */
inline look_at(parked) {
  printf("@ look %d\n", parked);
  r = parked;
  operator_read = r + 1;
  operators_version_is_as_read = true;
  back_to = row[r].failed_from;
  if
  :: MAY_RESUME(r)
  :: MAY_RESUME(r) && netsuite == MISSING -> create = true
  :: MAY_RESUME(r) && (netsuite != expected[r] || openair != expected[r]) -> overwrite = true
  :: MAY_ABANDON(r) -> abandon = true
  fi
}

/* Write: compare-and-set on version. */
inline decide() {
  if
  :: abandon -> printf("@ abandon %d stored\n", r)
  :: !abandon -> printf("@ resume %d create=%d overwrite=%d stored\n", r, create, overwrite)
  fi;
  MUST(compare_and_set, operators_version_is_as_read);
  MUST(only_forward, RANK(back_to) >= RANK_OF(row[r]));
  MUST(abandoned_unsent, !abandon || sent[r] == 0);
  if
  :: abandon -> ending[r] = Abandoned
  :: !abandon ->
     row[r].state = back_to;
     row[r].foreign = false;
     restoring[r] = false;
     row[r].failed_from = 0;
     row[r].tries = 0;
     row[r].may_create = create;
     row[r].may_overwrite = overwrite
  fi;
  fence_is_mine[ADA] = fence_is_mine[ADA] && busy_with[ADA] != r + 1;
#ifdef ITSELF
  fence_is_mine[KEYTURN] = fence_is_mine[KEYTURN] && busy_with[KEYTURN] != r + 1;
#endif
  holder[r] = NO_HOLDER;
  leased[r] = false;
  written(r, NO_HOLDER)
}

/* Park a rotation that no worker holds. As in a claim, one that its last worker never released is in doubt. */
inline halt(r) {
  printf("@ halt %d\n", r);
  if
  :: holder[r] != NO_HOLDER ->
     row[r].doubt = row[r].doubt || DOUBT_AFTER_LEASE;
     in_flight[r] = true
  :: else
  fi;
  row[r].failed_from = row[r].state;
  row[r].state = Failed;
  row[r].tries = 0;
  row[r].foreign = false;
  fence_is_mine[0] = fence_is_mine[0] && busy_with[0] != r + 1;
  fence_is_mine[1] = fence_is_mine[1] && busy_with[1] != r + 1;
  holder[r] = NO_HOLDER;
  written(r, NO_HOLDER)
}

#define MAY_HALT(r) (UNDER_WAY(r) && !leased[r])

/*
 * Parks a running rotation; resumes or abandons a parked one. A command acts on what was read before, and can arrive
 * twice.
 */
proctype Operator() {
  byte r;
  mtype:states back_to;
  bool create, overwrite, abandon;
end:
  do
  :: atomic { operator_read == 0 && PARKED(0) && (MAY_RESUME(0) || MAY_ABANDON(0)) -> look_at(0) }
  :: atomic { operator_read == 0 && PARKED(SECOND) && (MAY_RESUME(SECOND) || MAY_ABANDON(SECOND)) -> look_at(SECOND) }
  :: atomic { MAY_HALT(0) && COMMON_MISFORTUNE; halt(0) }
  :: atomic { MAY_HALT(SECOND) && COMMON_MISFORTUNE; halt(SECOND) }
  :: atomic {
       operator_read != 0 ->
       if
       :: AS_READ(operators_version_is_as_read) && !leased[r] -> decide()
       :: !(AS_READ(operators_version_is_as_read) && !leased[r]) && abandon -> printf("@ abandon %d stale\n", r)
       :: !(AS_READ(operators_version_is_as_read) && !leased[r]) && !abandon ->
          printf("@ resume %d create=%d overwrite=%d stale\n", r, create, overwrite)
       fi;
       if
       :: operator_read = 0; operators_version_is_as_read = false;
          r = 0; back_to = 0; create = false; overwrite = false; abandon = false
       :: COMMON_MISFORTUNE
       fi
     }
  od
}

#define IS_DEAD(r) (holder[r] != NO_HOLDER && busy_with[holder[r]] != (r) + 1)

/* A late request lands, or it never does. */
inline land_install(r) {
  if
  :: printf("@ land install %d\n", r); netsuite_takes(r, install_flies[r], install_creates[r])
  :: printf("@ drop install %d\n", r)
  fi;
  install_flies[r] = 0; install_creates[r] = false
}

inline land_save(r) {
  if
  :: printf("@ land save %d\n", r); openair_takes(r, save_flies[r])
  :: printf("@ drop save %d\n", r)
  fi;
  save_flies[r] = 0
}

inline expire(r) {
  leased[r] = false;
  printf("@ expire %d\n", r)
}

/*
 * Three minutes after the last doubt about rotation r: its requests in flight have landed or never will. A worker that
 * lost the rotation began its attempt before that doubt, so the deadline of its install has passed. A save has no
 * deadline: the model assumes that a worker is not suspended for so long between its check and the save.
 */
#define ALL_LANDED(r) (!install_flies[r] && !save_flies[r] \
                       && !(about_to_save[0] && busy_with[0] == (r) + 1) && !(about_to_save[1] && busy_with[1] == (r) + 1))

inline settle(r) {
  printf("@ settle %d\n", r);
  in_flight[r] = false;
  overdue[0] = overdue[0] || (busy_with[0] == (r) + 1 && !fence_is_mine[0]);
  overdue[1] = overdue[1] || (busy_with[1] == (r) + 1 && !fence_is_mine[1]);
#ifdef ITSELF
  overdue[KEYTURN] = overdue[KEYTURN] || (busy_with[KEYTURN] == (r) + 1 && noted_restore[KEYTURN]);
#endif
  overdue[ADA] = overdue[ADA] || (busy_with[ADA] == (r) + 1 && noted_restore[ADA])
}

#define MATTERS(r) ((r) + 1 < rotations || PARKED(r))  /* a process waits for that */

/* What must happen eventually: a request lands, or never will; a dead worker's lease ends; a hold-off ends. */
proctype Time() {
end:
  do
  :: atomic { install_flies[0] -> land_install(0) }
  :: atomic { install_flies[SECOND] -> land_install(SECOND) }
  :: atomic { save_flies[0] -> land_save(0) }
  :: atomic { save_flies[SECOND] -> land_save(SECOND) }
  :: atomic { in_flight[0] && MATTERS(0) && ALL_LANDED(0) -> settle(0) }
  :: atomic { in_flight[SECOND] && MATTERS(SECOND) && ALL_LANDED(SECOND) -> settle(SECOND) }
  :: atomic { LEASES_END && leased[0] && IS_DEAD(0) -> expire(0) }
  :: atomic { LEASES_END && leased[SECOND] && IS_DEAD(SECOND) -> expire(SECOND) }
  od
}

/* Another party writes. */
inline changes_netsuite(certificate) {
  printf("@ foreign netsuite %d\n", certificate);
  netsuite = certificate;
  changed_by_others[0] = true; changed_by_others[1] = true; changed_by_others[ADA] = true;
#ifdef ITSELF
  changed_by_others[KEYTURN] = true;
#endif
  changed_unseen = changed_unseen || (busy_with[0] == 0 && busy_with[1] == 0)
}

inline changes_openair(certificate) {
  printf("@ foreign openair\n");
  openair = certificate;
#ifdef ITSELF
  changed_by_others[KEYTURN] = true;
#endif
  changed_by_others[0] = true; changed_by_others[1] = true; changed_by_others[ADA] = true
}

/* What need not happen. */
proctype Fate() {
  do
  :: atomic { COMMON_MISFORTUNE; changes_netsuite(FOREIGN) }
  :: atomic { COMMON_MISFORTUNE; changes_netsuite(MUTE) }
  :: atomic { COMMON_MISFORTUNE; changes_netsuite(MISSING) }
  :: atomic { COMMON_MISFORTUNE; changes_netsuite(PREVIOUS) }
  :: atomic { COMMON_MISFORTUNE; changes_openair(FOREIGN) }
  :: atomic { !netsuite_gone && COMMON_MISFORTUNE; netsuite_gone = true }
  :: atomic { !openair_gone && COMMON_MISFORTUNE; openair_gone = true }
  :: atomic { LEASES_END && leased[0] && !IS_DEAD(0) && COMMON_MISFORTUNE; expire(0) }
  :: atomic { LEASES_END && leased[SECOND] && !IS_DEAD(SECOND) && COMMON_MISFORTUNE; expire(SECOND) }
  :: LEFT_ALONE -> break
  od
}

/* When nothing more can happen, no rotation may be running. */
proctype Rest() {
  timeout -> MUST(none_lost, !UNDER_WAY(0) && !UNDER_WAY(SECOND))
}

init {
  atomic {
    run Worker(0); run Worker(1); run Schedule(); run Operator();
#ifndef WITHOUT_ADA
    run Ada(ADA, true);
#endif
#ifdef ITSELF
    run Ada(KEYTURN, false);
#endif
    run Time(); run Fate(); run Rest()
  }
}
