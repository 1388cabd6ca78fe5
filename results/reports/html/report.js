'use strict';
// The grid is there without this; it adds filters and what is behind a field. All texts go in as text, never as markup.
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const panel = document.getElementById('panel');
  const search = document.getElementById('search');
  const chips = [...document.querySelectorAll('.chip[data-verdict]')];
  const fields = [...document.querySelectorAll('button.v[data-job]')];
  let opened = null;

  const make = (tag, options = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(options)) {
      if (name === 'onclick') element.addEventListener('click', value);
      else if (name === 'class') element.className = value;
      else element.setAttribute(name, value);
    }
    element.append(...children.filter(child => child !== null && child !== undefined));
    return element;
  };

  const badge = verdict => make('span', { class: 'v ' + verdict, title: verdict }, data.symbols[verdict]);

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = new Set(chips.filter(chip => chip.getAttribute('aria-pressed') === 'true').map(chip => chip.dataset.verdict));
    for (const section of document.querySelectorAll('details.suite')) {
      let any = false;
      for (const row of section.querySelectorAll('tbody tr')) {
        const named = words.every(word => row.dataset.text.includes(word));
        const visible = named && row.dataset.verdicts.split(' ').some(verdict => shown.has(verdict));
        row.hidden = !visible;
        any ||= visible;
      }
      section.hidden = !any;
    }
    document.getElementById('nothing').hidden = !!document.querySelector('details.suite:not([hidden])');
  }

  async function unpack(base64) {
    const bytes = Uint8Array.from(atob(base64), c => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).text();
  }

  function copyButton(text) {
    const button = make('button', { class: 'chip', type: 'button', onclick: async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = 'copied';
      } catch {
        button.textContent = 'select and copy by hand';
      }
    } }, 'copy');
    return button;
  }

  function describeAttempt(attempt, number, count) {
    const part = document.createDocumentFragment();
    if (count > 1) part.append(make('h3', {}, badge(attempt.verdict), ` attempt ${number} of ${count}: ${attempt.verdict}`));
    if (attempt.reason && count > 1) part.append(make('div', { class: 'reason' }, attempt.reason));
    const list = make('dl');
    for (const [name, value] of attempt.facts) list.append(make('dt', {}, name), make('dd', {}, value));
    part.append(list);
    if (attempt.command) part.append(make('h3', {}, 'Repeat by hand ', copyButton(attempt.command)), make('pre', {}, attempt.command));
    if (attempt.subtests.length || attempt.subtestsLeftOut) {
      const table = make('table', { class: 'subtests' });
      for (const [verdict, name, detail] of attempt.subtests) {
        table.append(make('tr', {}, make('td', {}, badge(verdict)), make('td', { class: 'mono' }, name, detail ? make('div', { class: 'dim' }, detail) : null)));
      }
      const failing = attempt.subtests.some(([verdict]) => data.failures.includes(verdict));
      const box = make('details', failing || attempt.subtests.length <= 20 ? { open: '' } : {}, make('summary', {}, `Subtests: ${attempt.subtestCounts}`), table);
      if (attempt.subtestsLeftOut) box.append(make('div', { class: 'dim' }, `… and ${attempt.subtestsLeftOut} more, left out here`));
      part.append(make('h3'), box);
    }
    for (const file of attempt.files) {
      const pre = make('pre', {}, file.note || '…');
      part.append(make('h3', {}, file.name, make('span', { class: 'dim' }, ' ' + file.size)), pre);
      if (file.packed) unpack(file.packed).then(text => { pre.textContent = text || '(empty)'; }, error => { pre.textContent = 'cannot be unpacked: ' + error; });
    }
    return part;
  }

  function open(index) {
    const job = data.jobs[index];
    if (!job) return;
    for (const field of fields) field.classList.toggle('open', +field.dataset.job === index);
    opened = index;
    panel.replaceChildren(
      make('button', { class: 'chip close', type: 'button', title: 'Esc', onclick: close }, 'close'),
      make('h2', {}, badge(job.verdict), `${job.suite}/${job.name}`),
      make('div', { class: 'dim' }, job.cell, ' · ', job.verdict, job.flaky ? ' · flaky: its attempts did not agree' : ''),
      job.reason ? make('div', { class: 'reason' }, job.reason) : null,
      ...job.attempts.map((attempt, i) => describeAttempt(attempt, i + 1, job.attempts.length)));
    panel.hidden = false;
    panel.scrollTop = 0;
    history.replaceState(null, '', '#job-' + index);
  }

  function close() {
    panel.hidden = true;
    for (const field of fields) field.classList.remove('open');
    history.replaceState(null, '', location.pathname + location.search);
    document.querySelector(`button.v[data-job="${opened}"]`)?.focus();
  }

  function theme() {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = dark ? 'light' : 'dark';
  }

  for (const chip of chips) {
    chip.addEventListener('click', event => {
      // With Alt only this one; else on and off.
      if (event.altKey) for (const other of chips) other.setAttribute('aria-pressed', String(other === chip));
      else chip.setAttribute('aria-pressed', String(chip.getAttribute('aria-pressed') !== 'true'));
      filter();
    });
  }

  search.addEventListener('input', filter);
  document.getElementById('theme').addEventListener('click', theme);
  document.getElementById('attention').addEventListener('click', () => {
    const only = chips.some(chip => data.quiet.includes(chip.dataset.verdict) && chip.getAttribute('aria-pressed') === 'true');
    for (const chip of chips) chip.setAttribute('aria-pressed', String(!only || !data.quiet.includes(chip.dataset.verdict)));
    filter();
  });
  document.addEventListener('click', event => {
    const target = event.target.closest('[data-job]');
    if (target) open(+target.dataset.job);
  });
  document.addEventListener('keydown', event => {
    if (event.key === 'Escape' && !panel.hidden) close();
    else if (event.key === '/' && document.activeElement !== search) { event.preventDefault(); search.focus(); }
  });
  const wanted = /^#job-(\d+)$/.exec(location.hash);
  if (wanted) open(+wanted[1]);
})();
