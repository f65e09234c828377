// Before the first paint: the theme that was chosen here, so that the wrong one never flashes.
try {
  const theme = localStorage.getItem('lastword.theme');
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden; the system's theme is right then.
}
