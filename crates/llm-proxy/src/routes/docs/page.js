"use strict";

const root = document.getElementById("operations");
const key = document.getElementById("key");

/** An element with text; never markup, whatever a document says. */
function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

async function send(method, path, body, out) {
  const headers = { "content-type": "application/json" };
  if (key.value) headers.authorization = `Bearer ${key.value}`;
  out.textContent = "...";
  try {
    const reply = await fetch(path.slice(1), { method, headers, body: method === "GET" ? undefined : body });
    out.textContent = `${reply.status}\n`;
    const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) out.textContent += part.value;
  } catch (error) {
    out.textContent = String(error);
  }
}

function operation(path, method, about) {
  const box = element("details");
  const head = element("summary");
  head.append(element("span", `method ${method}`, method.toUpperCase()), element("span", "path", path));
  head.append(element("span", "about", about.summary));
  box.append(head);
  const example = about.requestBody?.content?.["application/json"]?.example;
  const body = element("textarea");
  body.value = example ? JSON.stringify(example, null, 2) : "";
  if (method === "post") box.append(body);
  const out = element("pre");
  const button = element("button", "", "Send");
  button.addEventListener("click", () => send(method.toUpperCase(), path, body.value, out));
  if (!path.includes("{")) box.append(button, out);
  return box;
}

fetch("openapi.json").then((reply) => reply.json()).then((all) => {
  for (const [path, methods] of Object.entries(all.paths)) {
    for (const [method, about] of Object.entries(methods)) root.append(operation(path, method, about));
  }
});
