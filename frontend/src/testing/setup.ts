import { vi } from 'vitest';

/** A test waits for what must come; how long that takes is the machine's affair. */
vi.setConfig({ testTimeout: 60_000 });

// jsdom lays nothing out, so there is nothing to scroll.
Element.prototype.scrollTo ??= () => undefined;
Element.prototype.scrollIntoView ??= () => undefined;
