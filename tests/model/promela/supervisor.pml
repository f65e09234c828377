/* A supervisor: takes a report or a command, decides, appends, answers. It may die between any two steps.
 *
 * One process stands for one letter in hand; real supervisors have many, of other workflows, and those of
 * one workflow in turn (Actor.key).  Two processes are two supervisors, or two letters of one of them.
 */

#define TAKE 0
#define ELDERS 1
#define DECIDE 2
#define APPEND 3
#define LOOK 4
#define ANSWER 5

#define FROM 2  /* letters below are reports, from here on commands */

#define SOMEBODY_ASKS ( \
  command[CLAIM(0)] == ASKED || command[CLAIM(1)] == ASKED || \
  command[CANCEL] == ASKED || command[START] == ASKED)

#define C_KIND(c) ((c) == START -> Submitted : ((c) == CANCEL -> CancelRequested : Claimed))
#define C_ID(c) ((c) == START -> BY_START(s) : ((c) == CANCEL -> BY_CANCEL(s) : BY_CLAIM(OWNER(c))))

/* judge (lastword/contracts/moves.py): under another lease, nothing; else what the table says. */
#ifdef IGNORE_LEASE
#define OTHER_LEASE(k) false
#else
#define OTHER_LEASE(k) (SPEAKS_OF_LEASE(kind) && !(LIVE(rec[k].status) && under == lease))
#endif
#ifdef REVIVE
#define MOVED(k) ((TERMINAL(rec[k].status) && kind == Claimed) -> RUNNING : NEXT(rec[k].status, kind))
#else
#define MOVED(k) NEXT(rec[k].status, kind)
#endif
#define JUDGE(k) (OTHER_LEASE(k) -> 0 : MOVED(k))

#if defined(LOOK_AT_THE_LAST)
#define LANDED (rec[last].event == id)
#elif defined(LOOK_BY_EVENT)
#define LANDED (rec[k + 1].event == id)
#else
#define LANDED (rec[last].event == id || mine)
#endif

/* What is acknowledged is gone from the stream, so what it said must be in the log. */
inline acknowledge(letter) {
  MUST(6, !SPEAKS_OF_LEASE(kind) || under != lease || TERMINAL(STANDS));
  report[letter].open = false
}

/* Forget what was in hand. */
inline take_the_next() {
  pc = TAKE; letter = 0; k = 0; then = 0; kind = 0; under = 0; id = 0;
  sure = false; mine = false; yes = false
}

proctype Supervisor(byte s) {
  byte pc, letter, k, then, kind, under, id;
  bool sure, mine, yes;

  do
  /* --- ReportReader: any report that is not acknowledged, as JetStream may deliver it (again). */
  :: atomic {
      pc == TAKE && nats && (report[0].open || report[1].open) ->
      if
      :: report[0].open -> letter = 0
      :: report[1].open -> letter = 1
      fi;
      kind = report[letter].kind;
      under = report[letter].under;
      id = report[letter].id;
#ifdef ACK_FIRST
      acknowledge(letter);
#endif
      pc = (IS_VERDICT(kind) -> ELDERS : DECIDE)
    }
  /* --- serve_commands: a request goes to one of the supervisors. */
  :: atomic {
      pc == TAKE && nats && SOMEBODY_ASKS ->
      if
      :: command[CLAIM(0)] == ASKED -> letter = FROM + CLAIM(0)
      :: command[CLAIM(1)] == ASKED -> letter = FROM + CLAIM(1)
      :: command[CANCEL] == ASKED -> letter = FROM + CANCEL
      :: command[START] == ASKED -> letter = FROM + START
      fi;
      command[letter - FROM] = TAKEN;
      hand[s] = letter - FROM;
      kind = C_KIND(letter - FROM);
      id = C_ID(letter - FROM);
      under = 0;
#ifdef ANSWER_FIRST
      command[letter - FROM] = ACCEPTED;
      hand[s] = 255;
#endif
      pc = DECIDE
    }
  /* --- ReportReader._let_elders_go_first: put a verdict back while an older report waits. */
  :: atomic {
      pc == ELDERS && nats ->
      if
#ifndef NO_ELDERS
      :: WAITS_BEFORE(letter) -> take_the_next()
      :: else -> pc = DECIDE
#else
      :: true -> pc = DECIDE
#endif
      fi
    }
  /* --- Registrar._decide, upon what is remembered (any older record) or what the log says now. */
  :: atomic {
      pc == DECIDE && (nats || !sure) ->
      if
      :: !sure && last > 1 -> k = 1
      :: !sure && last > 2 -> k = 2
      :: !sure && last > 3 -> k = 3
      :: nats -> k = last
      fi;
      then = JUDGE(k);
      if
      :: k > 0 && rec[k].event == id ->  /* a repetition; said only after a look at the log */
          if
          :: k == last && nats -> yes = true; pc = ANSWER
          :: k != last -> sure = true
          fi
      :: !(k > 0 && rec[k].event == id) && then != 0 -> pc = APPEND
      :: !(k > 0 && rec[k].event == id) && then == 0 ->
          if
#ifdef REFUSE_FROM_MEMORY
          :: true -> pc = ANSWER
#else
          :: k == last && nats -> pc = ANSWER  /* Registrar._is_current */
          :: k != last -> sure = true
#endif
          fi
      fi
    }
  /* --- StatusLog._publish: the compare-and-set, whose answer may be lost. */
  :: atomic {
      pc == APPEND && nats ->
      if
#ifdef NO_COMPARE
      :: true ->
#else
      :: last == k ->
#endif
          mine = true;
          append(then, kind, under, id, OWNER(letter - FROM));
          if
          :: yes = true; pc = ANSWER
          :: MAY_FAIL -> FAIL; pc = LOOK
          fi
#ifndef NO_COMPARE
      :: last != k -> pc = LOOK
#endif
      fi
    }
  /* --- StatusLog._landed: is the last record of this event, or what came after the record that was decided
   *     upon of this very append (`_follower`: the same event, accepted at the same instant)? */
  :: atomic {
      pc == LOOK && nats ->
      if
      :: last == k -> pc = APPEND
      :: last > k && LANDED -> yes = true; pc = ANSWER
      :: last > k && !LANDED -> sure = true; pc = DECIDE  /* Conflict */
      fi
    }
  /* --- The acknowledgement of a report, which may be lost; refused ones are kept as evidence first. */
  :: atomic {
      pc == ANSWER && letter < FROM && nats ->
      if
      :: acknowledge(letter)
      :: MAY_FAIL -> FAIL
      fi;
      take_the_next()
    }
  /* --- The answer to a command. A refusal shows how the workflow stands, so that the executor finds its own
   *     lease in it (Executor._ours_already). */
  :: atomic {
      pc == ANSWER && letter >= FROM && nats ->
      MUST(7, letter != FROM + START || yes || rec[1].event != id);
      if
      :: hand[s] == letter - FROM ->
          MUST(6, !yes || kind != CancelRequested || STANDS == CANCELLING || TERMINAL(STANDS));
          yes = yes || (kind == Claimed && LIVE(STANDS) && holder == OWNER(letter - FROM));
          command[letter - FROM] = (yes -> ACCEPTED : REFUSED);
          hand[s] = 255
      :: else
      fi;
      take_the_next()
    }
  /* --- It dies, and another one starts in its place: whatever it had in hand is forgotten. */
  :: atomic {
      pc != TAKE && MAY_FAIL ->
      FAIL;
      if
      :: hand[s] != 255 -> command[hand[s]] = LOST; hand[s] = 255
      :: else
      fi;
      take_the_next()
    }
  od
}
