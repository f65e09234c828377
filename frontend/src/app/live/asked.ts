import { ApiError } from '../api/api-error';
import type { Asked } from './live-link';

/** What a failed question means to the ladder: some refusals are final, all else is worth asking again. */
export function missed(thrown: unknown): Asked {
  if (thrown instanceof ApiError) {
    if (thrown.status === 401) return { type: 'denied', refusal: 'auth' };
    if (thrown.status === 403) return { type: 'denied', refusal: 'forbidden' };
    if (thrown.status === 404) return { type: 'denied', refusal: 'unknown' };
    return { type: 'unanswered', retryAfterMs: thrown.retryAfterMs, busy: true };
  }
  return { type: 'unanswered', retryAfterMs: null, busy: false };
}
