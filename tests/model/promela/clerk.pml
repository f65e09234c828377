/* A supervisor of few steps, where the model looks at executors and the auditor: it decides upon what stands
 * and appends at once, and may die before it has said so.  That the many steps in between make no difference
 * to the log, nor two supervisors instead of one, is what reports.pml and commands.pml are for.
 */

proctype Clerk() {
  byte letter;
  byte then, who;
  bool answers;

  do
  /* --- ReportReader: verdicts wait for older reports; what is refused changes nothing. */
  :: atomic {
      !answers && nats && (report[0].open || report[1].open) ->
      if
      :: report[0].open -> letter = 0
#ifdef NO_ELDERS
      :: report[1].open -> letter = 1
#else
      :: report[1].open && !(IS_VERDICT(report[1].kind) && report[0].open) -> letter = 1
#endif
      fi;
#ifdef IGNORE_LEASE
      then = NEXT(STANDS, report[letter].kind);
#else
      then = (LIVE(STANDS) && report[letter].under == lease -> NEXT(STANDS, report[letter].kind) : 0);
#endif
      if
      :: then != 0 -> append(then, report[letter].kind, report[letter].under, report[letter].id, 0)
      :: else
      fi;
      then = 0;
      if
      :: MUST(6, TERMINAL(STANDS)); report[letter].open = false
      :: MAY_FAIL -> FAIL /* it dies before the acknowledgement */
      fi;
      letter = 0
    }
  /* --- Receptionist.claim: the same claim again is answered with what stands. */
  :: atomic {
      !answers && nats && (command[CLAIM(0)] == ASKED || command[CLAIM(1)] == ASKED) ->
      if
      :: command[CLAIM(0)] == ASKED -> letter = CLAIM(0)
      :: command[CLAIM(1)] == ASKED -> letter = CLAIM(1)
      fi;
      command[letter] = TAKEN;
      hand[0] = letter;
      who = OWNER(letter);
      if
      :: STANDS == PENDING -> append(RUNNING, Claimed, 0, BY_CLAIM(who), who)
      :: else
      fi;
      answers = true
    }
  :: atomic {
      answers && nats ->
      if
      :: hand[0] == letter ->
          command[letter] = (LIVE(STANDS) && holder == who -> ACCEPTED : REFUSED);
          hand[0] = 255
      :: else
      fi;
      answers = false; letter = 0; who = 0
    }
  :: atomic {
      answers && MAY_FAIL ->
      FAIL;
      if
      :: hand[0] == letter -> command[letter] = LOST; hand[0] = 255
      :: else
      fi;
      answers = false; letter = 0; who = 0
    }
  od
}

/* Receptionist.cancel, for a client that asks until it is answered: sooner or later, or never. */
proctype Canceller() {
  if
  :: goto silent
  :: true
  fi;
  atomic {
    nats && (STANDS == PENDING || STANDS == RUNNING) ->
    if
    :: STANDS == PENDING -> append(CANCELLED, CancelRequested, 0, BY_CANCEL(0), 0)
    :: STANDS == RUNNING -> append(CANCELLING, CancelRequested, 0, BY_CANCEL(0), 0)
    fi
  };
silent:
  skip
}
