// What a test wants to know of the page that is open, as JSON. Nothing is changed.
(() => {
  const rgb = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const seen = (text) => { const [, , , a = 1] = rgb(text); return /^rgb/.test(text) && a > 0; };
  const light = (text) => {
    const [r, g, b] = rgb(text).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (seen(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const contrast = (colour, element) => {  // WCAG 2.2, relative luminance
    const [a, b] = [light(colour), light(behind(element))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  const told = (element) => `${element.tagName} ${element.getAttribute("class") || ""} ${element.textContent.slice(0, 40)}`;
  const words = [...document.body.querySelectorAll("*")].filter((one) =>
    !["TITLE", "DESC", "STYLE", "SCRIPT"].includes(one.tagName.toUpperCase()) &&
    [...one.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim()));
  const ink = (one) => (one instanceof SVGElement ? getComputedStyle(one).fill : getComputedStyle(one).color);
  const charts = [...document.querySelectorAll("svg.chart")];
  const undrawn = charts.filter((one) => {
    const drawn = [...one.querySelectorAll("path, rect, circle")].map((part) => part.getBoundingClientRect());
    return one.getBoundingClientRect().width < 200 || !drawn.some((box) => box.width + box.height > 2);
  });
  const outside = [], together = [];
  for (const one of charts) {
    const frame = one.getBoundingClientRect();
    const texts = [...one.querySelectorAll("text")].filter((text) => text.textContent);
    const boxes = texts.map((text) => text.getBoundingClientRect());
    texts.forEach((text, at) => {
      const box = boxes[at];
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1) outside.push(told(text));
      for (let other = 0; other < at; other += 1) {
        const wide = Math.min(box.right, boxes[other].right) - Math.max(box.left, boxes[other].left);
        const high = Math.min(box.bottom, boxes[other].bottom) - Math.max(box.top, boxes[other].top);
        if (wide > 1 && high > 4) together.push(`${told(texts[other])} | ${told(text)}`);
      }
    });
  }
  const marks = [...document.querySelectorAll("svg.chart path, svg.chart rect, svg.chart circle, svg.chart line:not(.grid)")]
    .filter((one) => !one.classList.contains("band"));
  const colour = (one) => (seen(getComputedStyle(one).stroke) ? getComputedStyle(one).stroke : getComputedStyle(one).fill);
  return JSON.stringify({
    page: Math.max(document.documentElement.scrollWidth, document.body.scrollWidth),
    charts: charts.length,
    undrawn: undrawn.map(told),
    outside,
    "on each other": together,
    "faint words": words.filter((one) => contrast(ink(one), one) < 4.5).map(told),
    "faint marks": marks.filter((one) => contrast(colour(one), one) < 3).map(told),
    "small words": words.filter((one) => parseFloat(getComputedStyle(one).fontSize) < 10).map(told),
    cut: [...document.querySelectorAll("table")].filter((one) => one.getBoundingClientRect().right > innerWidth + 1).map(told),
    dark: light(behind(document.body)) < 0.2,
  });
})()
