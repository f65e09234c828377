/**
 * Calls `act` with the next animation frame, or a little later where none comes: a hidden tab has no
 * frames, and what happens there must still be true when someone looks.
 */
export function nextFrame(act: () => void): void {
  let done = false;
  const once = () => {
    if (done) return;
    done = true;
    clearTimeout(fallback);
    cancelAnimationFrame(frame);
    act();
  };
  const fallback = setTimeout(once, 250);
  const frame = requestAnimationFrame(once);
}
