"use strict";
{
  const { rows, samples, labels, zero, frames } = JSON.parse(
    document.getElementById("data").textContent,
  );
  const last = labels.length - 1;
  const position = rows.map(() => zero); // the current step of each direction

  function make(tag, properties, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  function named(text, className) {
    return make("span", { className, textContent: text, title: text, dir: "auto" });
  }

  const pictures = new Map();
  function picture(number) {
    if (!pictures.has(number)) {
      const image = new Image();
      image.src = document.getElementById(`i${number}`).getAttribute("href");
      pictures.set(number, image);
    }
    return pictures.get(number);
  }

  // A canvas shows a loaded image at once; changing the src of an <img> may flicker.
  function draw(canvas, number) {
    const image = picture(number);
    canvas.wanted = number;
    if (!image.complete) {
      const again = () => canvas.wanted === number && draw(canvas, number);
      image.addEventListener("load", again, { once: true });
    } else if (image.naturalWidth) {
      canvas.width = image.naturalWidth; // this also clears it
      canvas.height = image.naturalHeight;
      canvas.getContext("2d").drawImage(image, 0, 0);
    }
  }

  // A slider with its value beside it.
  function slider(name, moved) {
    const input = make("input", { type: "range", min: 0, max: last, step: 1, ariaLabel: name });
    const value = make("span", { className: "value" });
    input.addEventListener("input", () => {
      pause();
      moved(input.valueAsNumber);
    });
    input.style.setProperty("--zero", zero / last);
    return { element: make("div", { className: "slide" }, input, value), input, value };
  }

  function show({ input, value }, step, text = labels[step]) {
    input.value = step;
    input.ariaValueText = value.textContent = text;
    input.style.setProperty("--low", Math.min(step, zero) / last);
    input.style.setProperty("--high", Math.max(step, zero) / last);
  }

  const sliders = rows.map((row, k) => slider(row.name, (step) => move(k, step)));
  const every = slider("All directions", moveAll);

  const controls = rows.map((row, k) => {
    const facts = row.facts.map(([term, text]) =>
      make("div", {}, make("dt", {}, term), make("dd", { dir: "auto" }, text)),
    );
    const heading = make("h2", {}, named(row.name, "name"));
    const list = facts.length ? [make("dl", {}, ...facts)] : [];
    return make("div", { className: "control" }, heading, sliders[k].element, ...list);
  });

  const cells = rows.map((row, k) =>
    samples.map((sample, n) => {
      const canvas = make("canvas", { width: 256, height: 256 });
      const ariaLabel = `Enlarge ${sample}, ${row.name}`;
      const button = make("button", { type: "button", ariaLabel }, canvas);
      button.addEventListener("click", () => enlarge(k, n));
      const value = make("span", { className: "value" });
      const caption = make(
        "figcaption",
        { className: "caption" },
        named(sample, "sample"),
        named(row.name, "direction"),
        value,
      );
      return { figure: make("figure", {}, button, caption), canvas, value };
    }),
  );

  function move(k, step) {
    position[k] = step;
    show(sliders[k], step);
    cells[k].forEach(({ canvas, value }, n) => {
      draw(canvas, frames[k][n][step]);
      value.textContent = labels[step];
    });
    const together = position.every((other) => other === step);
    show(every, together ? step : every.input.valueAsNumber, together ? labels[step] : "mixed");
    if (large.k === k) showLarge();
  }

  function moveAll(step) {
    rows.forEach((_, k) => move(k, step));
  }

  // One image enlarged, with the slider of its direction.
  const large = { k: null, n: null, canvas: make("canvas") };
  const largeSlider = slider("Distance", (step) => move(large.k, step));
  const largeName = named("", "name");
  const largeSample = named("", "sample");
  const close = make("button", { type: "button", textContent: "Close" });
  const titles = make(
    "div",
    {},
    make("h2", { id: "large" }, largeName),
    make("p", { className: "caption" }, largeSample),
  );
  const top = make("div", { className: "top" }, titles, close);
  const inside = make("div", { className: "inside" }, top, large.canvas, largeSlider.element);
  const dialog = make("dialog", {}, inside);
  dialog.setAttribute("aria-labelledby", "large");
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => (large.k = null));
  // A click beside the dialog closes it; releasing a slider there does not.
  let pressed = null;
  dialog.addEventListener("pointerdown", (event) => (pressed = event.target));
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog && pressed === dialog) dialog.close();
  });

  function enlarge(k, n) {
    Object.assign(large, { k, n });
    largeName.textContent = largeName.title = rows[k].name;
    largeSample.textContent = largeSample.title = samples[n];
    showLarge();
    dialog.showModal();
    largeSlider.input.focus();
  }

  function showLarge() {
    draw(large.canvas, frames[large.k][large.n][position[large.k]]);
    show(largeSlider, position[large.k]);
  }

  // Only the button starts the sweep.
  const play = make("button", { type: "button", textContent: "Play" });
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const heading = rows.map(() => 1);
  let timer = null;

  function sweep() {
    rows.forEach((_, k) => {
      if (position[k] + heading[k] > last || position[k] + heading[k] < 0) heading[k] *= -1;
      move(k, position[k] + heading[k]);
    });
  }

  function pause() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }

  play.addEventListener("click", () => {
    if (timer !== null) return pause();
    timer = setInterval(sweep, still.matches ? 700 : 170);
    play.textContent = "Pause";
  });

  const reset = make("button", { type: "button", textContent: "Reset to 0" });
  reset.addEventListener("click", () => {
    pause();
    moveAll(zero);
  });

  // Both orders use the same cells and the same sliders.
  const groups = make("div");
  function gather(figures) {
    const element = make("div", { className: "cells" }, ...figures);
    element.style.setProperty("--count", figures.length);
    return element;
  }

  function arrange(order) {
    const live = document.getElementById("live");
    live.className = order;
    if (order === "by-direction") {
      groups.replaceChildren(
        ...rows.map((_, k) => {
          const row = gather(cells[k].map((cell) => cell.figure));
          return make("section", { className: "group" }, controls[k], row);
        }),
      );
    } else {
      groups.replaceChildren(
        make("div", { className: "panel" }, gather(controls)),
        ...samples.map((sample, n) => {
          const row = gather(cells.map((column) => column[n].figure));
          const name = make("h2", {}, named(sample, "name"));
          return make("section", { className: "group" }, name, row);
        }),
      );
    }
  }

  function choice(order, text, checked) {
    const input = make("input", { type: "radio", name: "order", value: order, checked });
    input.addEventListener("change", () => arrange(order));
    return make("label", {}, input, make("span", { textContent: text }));
  }

  const order = make(
    "fieldset",
    { className: "order", ariaLabel: "Order" },
    choice("by-direction", "By direction", true),
    choice("by-sample", "By sample", false),
  );
  const what = make("span", { className: "what", textContent: "All directions" });
  const all = make("div", { className: "every" }, what, every.element);
  const bar = make("div", { className: "bar" }, order, all, play, reset);

  arrange("by-direction");
  moveAll(zero);
  document.getElementById("live").append(bar, groups, dialog);
  document.documentElement.classList.add("has-script");
  frames.flat(2).forEach(picture); // load all images before a slider needs them
}
