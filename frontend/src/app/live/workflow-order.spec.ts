import { describe, expect, it } from 'vitest';
import { aWorkflow } from '../../testing/workflows';
import { STATUSES, type Workflow } from '../api/contracts';
import { later } from './workflow-order';

const progress = (done: number) => ({ done, total: 4, label: null, tasks: [] });

describe('later', () => {
  it('takes the first thing that is heard', () => {
    const heard = aWorkflow();
    expect(later(null, heard)).toBe(heard);
  });

  it('never goes back by position', () => {
    const known = aWorkflow({ position: 11 });
    expect(later(known, aWorkflow({ position: 10, status: 'pending' }))).toBe(known);
  });

  it('takes what is of a later position, whole', () => {
    const heard = aWorkflow({ position: 11, status: 'success', progress: null });
    expect(later(aWorkflow({ progress: progress(3) }), heard)).toBe(heard);
  });

  it('keeps its identity under a duplicate, so that nothing is drawn anew', () => {
    const known = aWorkflow();
    expect(later(known, aWorkflow())).toBe(known);
  });

  it('keeps the further progress of one position', () => {
    const known = aWorkflow({ progress: progress(3) });
    expect(later(known, aWorkflow({ progress: progress(2) })).progress?.done).toBe(3);
    expect(later(known, aWorkflow({ progress: progress(4) })).progress?.done).toBe(4);
  });

  it('keeps progress that an answer leaves out', () => {
    const known = aWorkflow({ progress: progress(3) });
    expect(later(known, aWorkflow({ progress: null })).progress?.done).toBe(3);
  });

  it('believes the later beat about freshness', () => {
    const stale = aWorkflow({ heartbeat: 'stale', last_heartbeat_at: '2026-01-01T12:00:04Z' });
    const fresh = aWorkflow({ heartbeat: 'fresh', last_heartbeat_at: '2026-01-01T12:00:09Z' });
    expect(later(stale, fresh).heartbeat).toBe('fresh');
    expect(later(fresh, stale).heartbeat).toBe('fresh');
  });

  it('learns of staleness from a server that never heard a beat, and keeps the time of the last', () => {
    const stale = aWorkflow({ heartbeat: 'stale', last_heartbeat_at: null });
    const known = aWorkflow({ heartbeat: 'fresh', last_heartbeat_at: '2026-01-01T12:00:09Z' });
    expect(later(known, stale)).toEqual({ ...known, heartbeat: 'stale' });
  });

  it('learns of staleness although the last beat is the same', () => {
    const stale = aWorkflow({ heartbeat: 'stale' });
    expect(later(aWorkflow(), stale).heartbeat).toBe('stale');
  });

  it('never leaves an end, whatever comes', () => {
    for (const end of ['success', 'failed', 'cancelled'] as const) {
      const ended = aWorkflow({ status: end, position: 20 });
      for (const status of STATUSES) {
        for (const position of [19, 20, 21]) {
          const heard = aWorkflow({ status, position });
          expect(later(ended, heard).isTerminal).toBe(true);
        }
      }
    }
  });

  it('comes to the same end in whatever order and however often things are heard', () => {
    const life: readonly Workflow[] = [
      aWorkflow({ position: 1, status: 'pending' }),
      aWorkflow({ position: 2, status: 'running' }),
      aWorkflow({ position: 2, status: 'running', progress: progress(1) }),
      aWorkflow({ position: 2, status: 'running', progress: progress(2) }),
      aWorkflow({ position: 3, status: 'cancelling' }),
      aWorkflow({ position: 4, status: 'cancelled' }),
    ];
    let seed = 7;
    const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
    for (let run = 0; run < 300; run++) {
      const heard = [...life, ...life].sort(() => random() - 0.5);
      let known: Workflow | null = null;
      let position = 0;
      for (const one of heard) {
        known = later(known, one);
        expect(known.position).toBeGreaterThanOrEqual(position);
        position = known.position;
      }
      expect(known?.status).toBe('cancelled');
    }
  });
});
