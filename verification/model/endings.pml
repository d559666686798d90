/*
 * Restore, adopt, and abandon in doubt: the verbs that close a parked rotation after asking the two systems
 * (states/recovery.py, orchestrator/operations/recovery.py).
 *
 * Ada is a second operator. With -DITSELF, a worker restores too, by itself, where OpenAir does not take the certificate;
 * for any reason of parking, so that the model has every case in which the code does. When she restores, she holds the rotation as a worker does, and records what she will send.
 * Otherwise she sends nothing and holds nothing. If a verb would not help, it is refused, and she lets go.
 */

/* === the guards =================================================================================================== */

/* The candidate's requests must have landed, or never will, before the previous certificate is put back. An unfinished
   restore has sent that very certificate. */
#ifdef NO_RESTORE_WAITS
#define RESTORE_WAITS(r)            false
#else
#define RESTORE_WAITS(r)            (in_flight[r] && !restoring[r])
#endif
#ifdef NO_ADOPT_WAITS
#define ADOPT_WAITS(r)              false
#else
#define ADOPT_WAITS(r)              (in_flight[r])
#endif

/* Only a person allows to replace a foreign certificate. */
#ifdef NO_KEEPS_FOREIGN
#define MAY_ALLOW                   true
#else
#define MAY_ALLOW                   (is_person)
#endif

/* She records that she will send the previous certificate before she sends it. */
#ifdef NO_RESTORE_NOTED
#define RESTORE_NOTED               false
#else
#define RESTORE_NOTED               true
#endif

/* OpenAir must hold the previous certificate, or putting it back into NetSuite does not help. */
#ifdef NO_RESTORE_HELPS
#define HELPS(certificate, r)       true
#else
#define HELPS(certificate, r)       ((certificate) == expected[r])
#endif

/* A certificate is adopted only if NetSuite signs with it and OpenAir holds it. */
#ifdef NO_AGREEMENT
#define AGREES(signer, held)        true
#else
#define AGREES(signer, held)        ((signer) == (held))
#endif

/* Before a candidate in doubt is abandoned, its requests must have landed, or never will. NetSuite must not have proved
   that it holds the candidate. Asked now, it must hold another one: by its signature, or by the validity of a record
   that cannot sign. */
#ifdef NO_ABANDON_WAITS
#define ABANDON_WAITS(r)            false
#else
#define ABANDON_WAITS(r)            (in_flight[r])
#endif
#ifdef NO_ABANDON_UNPROVED
#define IS_PROVED(r)                false
#else
#define IS_PROVED(r)                (RANK_OF(row[r]) >= RANK(UploadedToNetSuite))
#endif
#ifdef NO_ABANDON_ASKS
#define HOLDS(signer, candidate)    false
#else
#define HOLDS(signer, candidate)    ((signer) == (candidate))
#endif
#ifdef NO_ABANDON_MUTE
#define MAY_BE(mute, candidate)     false
#else
#define MAY_BE(mute, candidate)     ((mute) == MUTED(candidate))
#endif

#define MAY_HAVE_IT(r) (row[r].candidate && (row[r].doubt || RANK_OF(row[r]) >= RANK(UploadedToNetSuite)))
#define MAY_RESTORE(r) (PARKED(r) && !leased[r] && MAY_HAVE_IT(r) && expected[r] != FOREIGN && !RESTORE_WAITS(r))
#define MAY_ADOPT(r)   (PARKED(r) && row[r].foreign && !ADOPT_WAITS(r))
#define MAY_GIVE_UP(r) (PARKED(r) && MAY_HAVE_IT(r) && !IS_PROVED(r) && !ABANDON_WAITS(r))

/* === her actions ================================================================================================== */

mtype:aims = { Restoring, Adopting, Abandoning };

mtype:actions = { rests, reads, signs, notes, checks, sends, signs_again, reads_again, closes, gives_back };

/* She reads the row. To restore, she holds it too, which changes nothing in it. */
inline begin_to(what, number) {
  r = number;
  aim = what;
  busy_with[me] = r + 1;
  version_is_as_read[me] = true;
  changed_by_others[me] = false;
  wanted = (row[r].doubt -> LOOKS_IN_DOUBT : 1);
  next = (aim == Abandoning -> signs : reads);
  if
  :: aim == Adopting -> printf("@ adopt %d %d\n", me, r)
  :: aim == Abandoning -> printf("@ give_up %d %d\n", me, r)
  :: aim == Restoring ->
     if
     :: MAY_ALLOW && netsuite != row[r].candidate && netsuite != expected[r] -> overwrite = true
     :: true
     fi;
     printf("@ restore %d %d overwrite=%d\n", me, r, overwrite);
     fence_is_mine[0] = fence_is_mine[0] && busy_with[0] != r + 1;
     fence_is_mine[1] = fence_is_mine[1] && busy_with[1] != r + 1;
     fence_is_mine[ADA] = fence_is_mine[ADA] && busy_with[ADA] != r + 1;
#ifdef ITSELF
     fence_is_mine[KEYTURN] = fence_is_mine[KEYTURN] && busy_with[KEYTURN] != r + 1;
#endif
     fence_is_mine[me] = true;
     holder[r] = me;
     leased[r] = true
  fi
}

inline forget() {
  busy_with[me] = 0; version_is_as_read[me] = false; fence_is_mine[me] = false; changed_by_others[me] = false;
  overdue[me] = false; noted_restore[me] = false;
  r = 0; held = 0; looks = 0; wanted = 0; aim = Restoring; overwrite = false; saw_foreign = false;
  next = rests
}

/* She cannot continue. A restore releases its lease, with a separate write. */
inline stop_here() {
  if
  :: aim != Restoring -> forget()
  :: aim == Restoring -> next = gives_back
  fi
}

inline read_openair() {
  if
  :: openair_gone -> printf("@ read %d gone\n", me); stop_here()
  :: !openair_gone && COMMON_MISFORTUNE; printf("@ read %d later\n", me); stop_here()
  :: !openair_gone ->
     printf("@ read %d done\n", me);
     held = openair;
     if
     :: next == reads && (aim == Adopting || HELPS(openair, r)) -> next = signs
     :: next == reads_again && HELPS(openair, r) -> next = closes
     :: aim == Restoring && !HELPS(openair, r) -> stop_here()
     fi
  fi
}

inline ask_netsuite() {
  if
  :: netsuite_gone -> printf("@ sign %d gone\n", me); stop_here()
  :: !netsuite_gone && COMMON_MISFORTUNE; printf("@ sign %d later\n", me); stop_here()
  :: !netsuite_gone ->
     printf("@ sign %d done\n", me);
     if
     :: netsuite != MISSING && !IS_MUTE(netsuite) -> has_signed[netsuite] = true
     :: else
     fi;
     saw_foreign = saw_foreign || (netsuite != row[r].candidate && netsuite != expected[r]);
     looks++;
     if
     :: aim == Abandoning ->
        if
        :: HOLDS(netsuite, row[r].candidate) || MAY_BE(netsuite, row[r].candidate) -> stop_here()
        :: else -> next = (looks < wanted -> signs : closes)
        fi
     :: aim != Abandoning && (netsuite == MISSING || (aim == Adopting && IS_MUTE(netsuite))) -> stop_here()
     :: aim == Adopting && netsuite != MISSING && !IS_MUTE(netsuite) ->
        if
        :: AGREES(netsuite, held) && held != row[r].candidate -> next = closes
        :: else -> stop_here()
        fi
     :: aim == Restoring && netsuite == expected[r] -> next = (next == signs -> closes : reads_again)
     :: aim == Restoring && netsuite != MISSING && netsuite != expected[r] ->
        if
        :: next == signs_again && looks < 2
        :: next == signs_again && looks >= 2 -> stop_here()
        :: next == signs && !MAY_REPLACE(overwrite) && netsuite != row[r].candidate -> stop_here()
        :: next == signs && (MAY_REPLACE(overwrite) || netsuite == row[r].candidate) ->
           next = (looks < wanted -> signs : (RESTORE_NOTED -> notes : checks))
        fi
     fi
  fi
}

/* Advance without a move: from now on the previous certificate may be in flight, and the proof that NetSuite holds the
   candidate no longer counts. */
inline note() {
  if
  :: AS_READ(version_is_as_read[me]) && MINE(fence_is_mine[me]) ->
     printf("@ note %d stored\n", me);
     MUST(compare_and_set, version_is_as_read[me] && fence_is_mine[me]);
     restoring[r] = true;
     row[r].failed_from = KeyGenerated;
     row[r].doubt = true;
     in_flight[r] = true;
     noted_restore[me] = true;
     leased[r] = true;
     written(r, me);
     next = checks
  :: else -> printf("@ note %d stale\n", me); next = gives_back
  fi
}

inline send() {
  looks = 0;
  if
  :: netsuite_gone -> printf("@ install %d gone\n", me); stop_here()
  :: !netsuite_gone && IS_OVERDUE(overdue[me]) -> printf("@ install %d late\n", me); stop_here()
  :: !netsuite_gone && !IS_OVERDUE(overdue[me]) && netsuite == MISSING ->
     printf("@ install %d done\n", me); stop_here()
  :: !netsuite_gone && !IS_OVERDUE(overdue[me]) && netsuite != MISSING ->
     MUST(restore_helps, openair == expected[r] || changed_by_others[me]);
     MUST(none_overwritten, !saw_foreign || (overwrite && is_person));
     if
     :: printf("@ install %d done\n", me); put_back(); next = reads_again
     :: MISFORTUNE; printf("@ install %d lost_done\n", me); put_back(); next = signs_again
     :: MISFORTUNE; printf("@ install %d lost\n", me); next = signs_again
     :: !install_flies[r] && MISFORTUNE; printf("@ install %d lost_late\n", me);
        install_flies[r] = expected[r];
        next = signs_again
     fi
  fi
}

inline put_back() {
  netsuite_takes(r, expected[r], false);
  has_signed[expected[r]] = true;
  changed_unseen = true
}

/* Advance or write: both sides agree, or neither has the candidate, and the rotation is closed. */
inline close() {
  if
  :: AS_READ(version_is_as_read[me]) && (aim != Restoring -> !leased[r] : MINE(fence_is_mine[me])) ->
     printf("@ close %d stored\n", me);
     MUST(compare_and_set, version_is_as_read[me] && (aim != Restoring || fence_is_mine[me]));
     MUST(both_agree, aim == Abandoning || changed_by_others[me] || (netsuite == openair && openair == held));
     MUST(abandoned_gone, aim != Abandoning || (netsuite != row[r].candidate && netsuite != MUTED(row[r].candidate)
                                                && openair != row[r].candidate));
     ending[r] = (aim == Restoring -> Restored : (aim == Adopting -> Adopted : Abandoned));
     current = (aim == Adopting -> held : current);
     row[r].doubt = false;
     restoring[r] = false;
     holder[r] = NO_HOLDER;
     leased[r] = false;
     written(r, me);
     forget()
  :: else -> printf("@ close %d stale\n", me); stop_here()
  fi
}

inline give_back() {
  if
  :: MINE(fence_is_mine[me]) ->
     printf("@ release %d stored\n", me);
     MUST(compare_and_set, fence_is_mine[me]);
     holder[r] = NO_HOLDER;
     leased[r] = false
  :: else -> printf("@ release %d stale\n", me)
  fi;
  forget()
}

/* Ada, or the worker that restores by itself: it does nothing else, and replaces no foreign certificate. */
proctype Ada(byte me; bool is_person) {
  byte r;                                      /* the current rotation */
  mtype:actions next = rests;
  mtype:aims aim = Restoring;                  /* the intended ending */
  bool overwrite;                              /* what else she allowed */
  byte held;                                   /* what OpenAir held when she read it */
  byte looks, wanted;                          /* looks at NetSuite; how many before she sends anything */
  bool saw_foreign;                            /* observer's: NetSuite held a foreign certificate */

end:
  do
  :: atomic {
       if
       :: next == rests && (is_person || !row[0].foreign) && MAY_RESTORE(0) -> begin_to(Restoring, 0)
       :: next == rests && (is_person || !row[SECOND].foreign) && MAY_RESTORE(SECOND) -> begin_to(Restoring, SECOND)
       :: next == rests && is_person && MAY_ADOPT(0)        -> begin_to(Adopting, 0)
       :: next == rests && is_person && MAY_ADOPT(SECOND)   -> begin_to(Adopting, SECOND)
       :: next == rests && is_person && MAY_GIVE_UP(0)      -> begin_to(Abandoning, 0)
       :: next == rests && is_person && MAY_GIVE_UP(SECOND) -> begin_to(Abandoning, SECOND)
       :: next == reads || next == reads_again -> read_openair()
       :: next == signs || next == signs_again -> ask_netsuite()
       :: next == notes      -> note()
       :: next == checks && STILL_HOLDS(fence_is_mine[me])  -> printf("@ check %d held\n", me); next = sends
       :: next == checks && !STILL_HOLDS(fence_is_mine[me]) -> printf("@ check %d stale\n", me); next = gives_back
       :: next == sends      -> send()
       :: next == closes     -> close()
       :: next == gives_back -> give_back()
       :: next != rests && COMMON_MISFORTUNE; printf("@ crash %d\n", me); forget()
       fi
#ifdef LULL
       ; calls++; lull = (lull > 0 -> lull - 1 : 0)
#endif
     }
  od
}
