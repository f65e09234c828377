/* The world: beats, time, and what goes wrong with executors and with NATS.
 *
 * Time. One tick is one heartbeat timeout.  The only thing that is taken for granted of real clocks is what
 * the settings say: an executor that can reach NATS beats within the timeout, so no tick passes before it
 * has; and one that NATS's outage cut off is back and has beaten within a timeout of the server's return.
 */

#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef CUTS
#define CUTS 1
#endif
#ifndef OUTAGES
#define OUTAGES 1
#endif
byte crashes, cuts, outages;

/* Heart.run: a beat per interval, and after news; it lists what is held (Executor._vouched_for). */
proctype Heart(byte x) {
  do
  :: atomic {
      REACHES(x) && LIVE(STANDS) &&
        (!ear[x].fresh || ear[x].age > 0 || !ear[x].again || !ear[x].since || ex[x].recovering ||
        (holder == x && !ex[x].held && ear[x].absent < 2)) ->
      ear[x].fresh = true;
      ear[x].age = 0;
      ear[x].again = !blind || ear[x].again;
      ear[x].since = true;
      ex[x].recovering = false;
      if
      :: holder == x && !ex[x].held && ear[x].absent < 2 -> ear[x].absent++
      :: holder == x && !ex[x].held && ear[x].absent == 2 -> skip
      :: else -> ear[x].absent = 0
      fi
    }
  :: atomic { ex[x].alive && ex[x].recovering && !ex[x].linked && nats -> ex[x].linked = true }
  :: !ex[x].alive -> break
  od
}

#define ON_TIME(x) (!ex[x].alive || (!ex[x].recovering && (!ex[x].linked || ear[x].fresh)))

#if EXECUTORS == 2
#define ALL_ON_TIME (ON_TIME(0) && ON_TIME(1))
#define SOMETHING_AGES (ear[0].age < 2 || ear[1].age < 2 || sight < 2)
#else
#define ALL_ON_TIME ON_TIME(0)
#define SOMETHING_AGES (ear[0].age < 2 || sight < 2)
#endif
#define AGE(a) a = (a < 2 -> a + 1 : 2)

proctype Clock() {
  do
  :: atomic {
      LIVE(STANDS) && SOMETHING_AGES && ((!nats && blind) || (nats && linked && ALL_ON_TIME)) ->
      ear[0].fresh = false;
      AGE(ear[0].age);
#if EXECUTORS == 2
      ear[1].fresh = false;
      AGE(ear[1].age);
#endif
      AGE(sight)
    }
  od
}

inline lose_requests() {
  at = 0;
  do
  :: at < COMMANDS ->
      if
      :: command[at] == ASKED -> command[at] = LOST
      :: else
      fi;
      at++
  :: else -> break
  od;
  at = 0
}

/* A connection ends with the server. It comes back: that is what `recovering` says, and ON_TIME asks for. */
inline drop(x) {
  if
  :: ex[x].linked -> ex[x].linked = false; ex[x].recovering = ex[x].alive
  :: else
  fi
}

inline die(x) {
  ex[x].alive = false;
  ex[x].claiming = false;
  ex[x].held = false;
  ex[x].blamed = true;
  if
  :: lease > 0 && holder == x -> runs = false
  :: else
  fi;
  if
  :: ex[x].linked && nats -> ear[x].ended = true
  :: true
  fi
}

#define CAN_DIE(x) (ex[x].alive && crashes < CRASHES)
#define CAN_BE_CUT(x) (ex[x].alive && ex[x].linked && nats && cuts < CUTS)

proctype Faults() {
  do
  :: atomic { CAN_DIE(0) -> crashes++; die(0) }
#if EXECUTORS == 2
  :: atomic { CAN_DIE(1) -> crashes++; die(1) }
#endif
  /* Cut off from NATS for reasons of its own; the server may notice at once, or never. */
  :: atomic {
      CAN_BE_CUT(0) -> cuts++; ex[0].linked = false; ex[0].blamed = true;
      if
      :: ear[0].ended = true
      :: skip
      fi
    }
  :: atomic { ex[0].alive && !ex[0].linked && !ex[0].recovering && nats -> ex[0].linked = true }
  :: atomic {
      nats && outages < OUTAGES ->
      outages++;
      nats = false;
      lose_requests();
      linked = false;
      drop(0)
#if EXECUTORS == 2
      ;
      drop(1)
#endif
    }
  :: atomic { !nats -> nats = true }
  od
}
