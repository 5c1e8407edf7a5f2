// Runs before anything is drawn, so that neither the colours nor the direction jump.
const root = document.documentElement;
try {
  const theme = localStorage.getItem('theme');
  if (theme === 'light' || theme === 'dark') root.dataset.theme = theme;
} catch {
  /* storage may be forbidden; the system's colours do */
}
if (root.dataset.state === 'loading') {
  const offered = ['en', 'de', 'fa'];
  const asked = new URLSearchParams(location.search).get('lang');
  const wanted = asked ? [asked] : navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase());
  root.lang = wanted.find((tag) => offered.includes(tag)) ?? 'en';
  root.dir = root.lang === 'fa' ? 'rtl' : 'ltr';
}
