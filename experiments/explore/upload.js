// The box for the visitor's own photograph, run by Gradio with its names element, props and
// trigger. The photograph goes to the server as the text of an event.
const input = element.querySelector("input");

function whole(file) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = failed;
    reader.readAsDataURL(file);
  });
}

async function reduced(file) {
  const image = await createImageBitmap(file); // upright, as its EXIF orientation says
  const scale = Math.min(1, props.side / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(image.width * scale));
  canvas.height = Math.max(1, Math.round(image.height * scale));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "white";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  const urls = [0.95, 0.8, 0.5].map((quality) => canvas.toDataURL("image/jpeg", quality));
  return urls.find((url) => url.length <= props.longest);
}

async function send(file) {
  if (!file) return;
  // What the browser cannot draw is for the server to read, or to say what is wrong with it.
  const small = file.size < props.longest / 2;
  props.value = await reduced(file).catch(() => (small ? whole(file) : "data:,"));
  trigger("submit");
}

input.addEventListener("change", () => {
  send(input.files[0]);
  input.value = ""; // so that the same file can be chosen again
});
element.addEventListener("dragover", (event) => event.preventDefault());
element.addEventListener("drop", (event) => {
  event.preventDefault();
  send(event.dataTransfer.files[0]);
});

// The people who were found become the page's person as if their name were typed.
element.closest("#photo").addEventListener("click", (event) => {
  const found = event.target.closest("[data-person]");
  if (!found) return;
  const person = document.querySelector("#person :is(input, textarea)");
  person.value = found.dataset.person;
  person.dispatchEvent(new Event("input", { bubbles: true }));
  person.dispatchEvent(new Event("blur"));
});
