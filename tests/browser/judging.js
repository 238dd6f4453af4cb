// What is asked of the page in the page itself: contrast, names, room. Each gives what is wrong.

// Every text that is seen, and every shape of a chart: its contrast to what is behind it (WCAG 2: 1.4.3 and 1.4.11).
// Large texts are judged as small ones are.
function faint() {
  const numbers = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const over = ([r, g, b, a = 1], back) => [r, g, b].map((one, at) => one * a + back[at] * (1 - a));
  const linear = (one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
  const light = (colour) => {
    const [r, g, b] = colour.map((one) => linear(one / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (colour, back) => {
    const [one, other] = [light(over(numbers(colour), back)), light(back)];
    return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  };
  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(numbers(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((back, layer) => (layer.length ? over(layer, back) : back), [255, 255, 255]);
  };
  const wrong = [];
  let judged = 0;
  const judge = (colour, back, least, what) => {
    judged += 1;
    if (contrast(colour, back) < least) wrong.push(`${contrast(colour, back).toFixed(2)}: ${what}`);
  };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const [text, element] = [walk.currentNode.data.trim(), walk.currentNode.parentElement];
    if (!text || element.closest("svg") || !element.checkVisibility()) continue;
    judge(getComputedStyle(element).color, behind(element), 4.5, text.slice(0, 40));
  }
  for (const shape of document.querySelectorAll("figure .solid, figure .hatched, figure .open, figure .line")) {
    const style = getComputedStyle(shape);
    const drawn = style.stroke === "none" ? style.fill : style.stroke;
    judge(drawn, behind(shape.closest("figure")), 3, `a shape that is ${shape.getAttribute("class")}`);
  }
  return judged > 50 ? wrong : [`only ${judged} were judged`];
}

// What a screen reader or a keyboard would miss.
function unnamed() {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const wrong = [];
  const ids = all("[id]").map((one) => one.id);
  if (new Set(ids).size !== ids.length) wrong.push("an id is there twice");
  for (const name of ["aria-labelledby", "aria-describedby"]) {
    for (const one of all(`[${name}]`)) {
      const said = document.getElementById(one.getAttribute(name))?.textContent.trim();
      if (!said) wrong.push(`${one.tagName}: ${name} leads to nothing`);
    }
  }
  for (const one of all("button, a, summary")) if (!one.textContent.trim()) wrong.push(`${one.tagName} without a name`);
  for (const one of all("input")) if (!one.labels.length) wrong.push("a field without a label");
  for (const one of all("svg:not([aria-hidden=true])")) {
    if (one.getAttribute("role") !== "img" || !one.hasAttribute("aria-labelledby")) wrong.push("a picture without words");
  }
  for (const one of all("th")) if (!one.scope) wrong.push(`a heading of nothing: ${one.textContent}`);
  for (const one of ["header", "nav", "main", "footer", "h1"]) if (all(one).length !== 1) wrong.push(`not one ${one}`);
  const levels = all("h1, h2, h3").map((one) => Number(one.tagName[1]));
  if (levels.some((level, at) => at && level > levels[at - 1] + 1)) wrong.push(`headings skip a level: ${levels}`);
  if (!document.documentElement.lang || !document.title) wrong.push("no language or no title");
  return wrong;
}

// What is wider than the window.
function wide() {
  const room = document.documentElement.clientWidth;
  const hidden = "thead, .unseen, .numbers";
  const seen = [...document.body.querySelectorAll("*")].filter((one) => one.checkVisibility() && !one.closest(hidden));
  const over = seen.filter((one) => one.getBoundingClientRect().right > room + 0.5);
  const page = document.documentElement.scrollWidth > room ? ["the page"] : [];
  return [...page, ...over.map((one) => `${one.tagName} ${one.id} ${one.textContent.slice(0, 30)}`)];
}

// What is pressed by a finger and is too small for one (WCAG 2.2: 2.5.8).
function small() {
  const pressed = [...document.querySelectorAll("button, input, nav a")];
  return pressed.map((one) => [one.tagName, one.getBoundingClientRect().height]).filter(([, high]) => high < 24);
}
