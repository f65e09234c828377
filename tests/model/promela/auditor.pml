/* The auditor: evidence, question, window, question, a look at the log, and only then a report.
 *
 * Time is counted in ticks of one heartbeat timeout (see world.pml): an age of 2 is at least one whole
 * timeout, whatever the phase.
 */

typedef Heard {
  bool fresh;  /* it has beaten since the last tick */
  byte age;    /* ticks since its last beat: 0..2 */
  bool again;  /* heard since the auditor could hear (Watchlist.trusts: heard_again) */
  byte absent; /* beats that did not list the lease: 0..2 (Watchlist.unlisted) */
  bool ended;  /* the server said that its connection has ended (Examiner.hear_disconnect) */
  bool since   /* it has beaten since the examination began (Examiner._has_beaten_since) */
}

Heard ear[EXECUTORS];
bool blind;      /* Examiner._is_blind */
byte sight;      /* ticks since Examiner.see: 0..2 */
bool linked = true; /* its own connection */

#define HEARS (nats && linked)
#define ON_WATCH (!blind && HEARS && LIVE(STANDS))
#ifdef NO_GRACE
#define TRUSTS(x) true
#else
#define TRUSTS(x) (ear[x].again || sight == 2)
#endif
/* The server's word that a connection has ended; silence; beats that leave the lease out. */
#ifdef ONLY_DISCONNECTS
#define SUSPECT(x) ear[x].ended
#else
#define SUSPECT(x) (ear[x].ended || (ear[x].age == 2 && TRUSTS(x)) || ear[x].absent == 2)
#endif

#define ANSWERS(x) (HEARS && REACHES(x) && VOUCHES(x))
#ifdef IGNORE_BEATS
#define IS_BACK(x) false
#else
#define IS_BACK(x) (ear[x].since && ear[x].absent < 2)
#endif
#ifdef JUDGE_BLIND
#define MAY_JUDGE(x) true
#else
#define MAY_JUDGE(x) (!blind && TRUSTS(x)) /* Examiner._may_judge */
#endif

#define WATCH 0
#define WINDOW 1
#define READ 2
#define PUBLISH 3

/* Nobody is condemned who can answer for the lease now, or who beat for it since the examination began. */
inline condemn() {
  MUST(10, !(HEARS && REACHES(x) && CARES(x)));
  MUST(10, !ear[x].since || ear[x].absent == 2);
  pc = READ
}

proctype Auditor() {
  byte pc, x;

  do
  /* --- Examiner._look_into: the first question. */
  :: atomic {
      pc == WATCH && ON_WATCH && SUSPECT(holder) ->
      x = holder;
      ear[x].since = false;
      ear[x].ended = false;
#ifdef NO_QUESTION
      condemn()
#else
      if
      :: ANSWERS(x) -> x = 0
      :: else -> pc = WINDOW
      fi
#endif
    }
  /* --- After the window: does it beat again? Ask again; judge only where its silence can be but its own. */
  :: atomic {
      pc == WINDOW ->
      if
#ifdef ASK_ONCE
      :: !IS_BACK(x) && MAY_JUDGE(x) -> condemn()
      :: IS_BACK(x) || !MAY_JUDGE(x) -> pc = WATCH; x = 0
#else
      :: !IS_BACK(x) && !ANSWERS(x) && MAY_JUDGE(x) -> condemn()
      :: IS_BACK(x) || ANSWERS(x) || !MAY_JUDGE(x) -> pc = WATCH; x = 0
#endif
      fi
    }
  /* --- Examiner._report_lost: does the lease still stand? Where nobody answers, the scan comes again. */
  :: atomic {
      pc == READ ->
      if
      :: HEARS && LIVE(STANDS) -> pc = PUBLISH
      :: else -> pc = WATCH; x = 0
      fi
    }
  :: atomic {
      pc == PUBLISH ->
      if
      :: HEARS -> MUST(9, ex[x].blamed); store(Lost, lease, BY_VERDICT)
      :: else
      fi;
      pc = WATCH; x = 0
    }
  /* --- Follower.lost, and caught up again: silence begins to count anew (Examiner.see). */
  :: atomic { !blind && !HEARS -> blind = true }
  :: atomic { !linked && nats -> linked = true; blind = true }
  :: atomic {
      blind && HEARS ->
      blind = false;
#ifndef KEEP_TRUST
      ear[0].again = false;
#if EXECUTORS == 2
      ear[1].again = false;
#endif
      sight = 0
#endif
    }
  /* --- It dies and another one begins, blind until it has caught up. */
  :: atomic { MAY_FAIL && !blind -> FAIL; pc = WATCH; x = 0; blind = true }
  od
}
