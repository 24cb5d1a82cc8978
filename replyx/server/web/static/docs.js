// The API's description as a page: operations by group, and a form to try each of them. Text is only ever set as text.

/** Parts of an OpenAPI document: objects of many forms. @typedef {any} Part */

/** @type {Part} */
const shape = await (await fetch("/openapi.json")).json();

/**
 * An element: `el("a", { href: "/" }, "Home", other)`.
 * @param {string} tag
 * @param {Record<string, any>} attributes
 * @param {(Node | string)[]} children
 * @returns {HTMLElement}
 */
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** What a `$ref` stands for. @param {Part} part @returns {Part} */
function resolved(part) {
  if (!part || !part.$ref) return part;
  return part.$ref.slice(2).split("/").reduce((/** @type {Part} */ at, /** @type {string} */ name) => at[name], shape);
}

/** A schema in a few words: `string | null`, `array of Message`. @param {Part} schema @returns {string} */
function kind(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(kind).join(" | ");
  if (schema.enum) return schema.enum.map((/** @type {any} */ value) => JSON.stringify(value)).join(" | ");
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.type === "array") return `array of ${kind(schema.items || {})}`;
  return schema.type || "anything";
}

/** A value that fits a schema, where the contract has no example. @param {Part} schema @param {number} depth @returns {any} */
function sample(schema, depth = 0) {
  const found = resolved(schema);
  if ("default" in found) return found.default;
  if (found.anyOf) return sample(found.anyOf[0], depth);
  if (found.enum) return found.enum[0];
  if ("const" in found) return found.const;
  if (found.type === "object" && depth < 6) {
    const required = found.required || [];
    const fields = Object.entries(found.properties || {}).filter(([name]) => required.includes(name));
    return Object.fromEntries(fields.map(([name, row]) => [name, sample(row, depth + 1)]));
  }
  if (found.type === "array") return [sample(found.items || {}, depth + 1)];
  return new Map(Object.entries({ string: "", integer: 1, number: 0, boolean: false })).get(found.type) ?? null;
}

/** The content's example: the contract's own, or one made from the schema. @param {Part} content */
function exampleOf(content) {
  const given = Object.values(content.examples || {})[0];
  return given ? resolved(given).value : sample(content.schema);
}

/** @param {any} value */
const pretty = (value) => JSON.stringify(value, null, 2);

/** Fields of an object, one a row. @param {Part} schema @returns {Node | string} */
function fields(schema) {
  const found = resolved(schema);
  if (found.type === "array") return fields(found.items);
  if (!found.properties) return "";
  const required = found.required || [];
  const rows = Object.entries(found.properties).map(([name, row]) =>
    el("tr", {}, el("td", {}, el("code", {}, name)), el("td", {}, kind(row)), el("td", {}, required.includes(name) ? "required" : "")));
  return el("table", {}, ...rows);
}

/** Parameters with a box for each. @param {Part[]} parameters */
function parameterRows(parameters) {
  return parameters.map((row) => {
    const input = el("input", { name: row.name, "data-in": row.in, "aria-label": row.name, placeholder: row.schema.default ?? "" });
    return el("tr", {}, el("td", {}, el("code", {}, row.name)), el("td", {}, row.in), el("td", {}, kind(row.schema)),
      el("td", {}, row.required ? "required" : ""), el("td", {}, input));
  });
}

/** The input that a selector names. @param {ParentNode} inside @param {string} selector */
const box = (inside, selector) => /** @type {HTMLInputElement} */ (inside.querySelector(selector));

/** Headers that prove who asks, as the operation wants it. @param {Part} operation @returns {Record<string, string>} */
function proof(operation) {
  const scheme = Object.keys((operation.security || [])[0] || {})[0];
  const token = box(document, "#token").value.trim();
  const site = box(document, "#site").value.trim();
  if (scheme === "site") return site ? { "X-Site-Token": site } : {};
  return scheme && token ? { Authorization: `Bearer ${token}` } : {};
}

/**
 * Send what the form of an operation holds; the answer goes into `output`.
 * @param {string} method @param {string} path @param {Part} operation
 * @param {HTMLElement} form @param {HTMLElement} output
 */
async function attempt(method, path, operation, form, output) {
  const headers = proof(operation);
  const query = new URLSearchParams();
  let url = path;
  for (const { name, value, dataset } of /** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll("input[data-in]"))) {
    if (!value) continue;
    if (dataset.in === "path") url = url.replace(`{${name}}`, encodeURIComponent(value));
    else if (dataset.in === "header") headers[name] = value;
    else query.append(name, value);
  }
  /** @type {FormData | string | undefined} */
  let body;
  const text = /** @type {HTMLTextAreaElement | null} */ (form.querySelector("textarea"));
  const file = box(form, "input[type=file]");
  if (file) {
    body = new FormData();
    if (file.files?.[0]) body.append("file", file.files[0]);
    body.append("assistant_id", box(form, "input[name=assistant_id]").value);
  } else if (text && text.value.trim()) {
    body = text.value;
    headers["Content-Type"] = "application/json";
  }
  output.hidden = false;
  output.textContent = "…";
  try {
    const answer = await fetch(query.size ? `${url}?${query}` : url, { method: method.toUpperCase(), headers, body });
    const said = await answer.text();
    let shown = said;
    try { shown = pretty(JSON.parse(said)); } catch { /* Not every answer is JSON. */ }
    const limits = answer.headers.get("X-RateLimit-Remaining");
    output.textContent = `${answer.status} ${answer.statusText}${limits ? `   X-RateLimit-Remaining: ${limits}` : ""}\n\n${shown}`;
  } catch (error) {
    output.textContent = String(error);
  }
}

/** @param {Part} operation */
function requestPart(operation) {
  const content = operation.requestBody?.content || {};
  if (content["multipart/form-data"]) {
    return [el("p", {}, el("input", { type: "file", "aria-label": "file" }), " assistant_id ",
      el("input", { name: "assistant_id", "aria-label": "assistant_id" }))];
  }
  const json = content["application/json"];
  if (!json) return [];
  return [el("h3", {}, "Body"), fields(json.schema),
    el("textarea", { "aria-label": "Body", spellcheck: "false" }, pretty(exampleOf(json)))];
}

/** @param {Part} operation */
function responsePart(operation) {
  return Object.entries(operation.responses).map(([status, row]) => {
    const found = resolved(row);
    const content = found.content?.["application/json"];
    if (status >= "300" || !content) return el("p", { class: "soft" }, el("code", {}, status), ` ${found.description}`);
    return el("div", {}, el("h3", {}, `${status}`), fields(content.schema), el("pre", { tabindex: "0" }, pretty(exampleOf(content))));
  });
}

/** @param {string} method @param {string} path @param {Part} operation */
function operationBlock(method, path, operation) {
  const output = el("pre", { hidden: true, "aria-live": "polite", tabindex: "0" });
  const parameters = operation.parameters || [];
  const form = el("form", { onsubmit: (/** @type {Event} */ event) => {
    event.preventDefault();
    attempt(method, path, operation, form, output);
  } });
  if (parameters.length) form.append(el("table", {}, ...parameterRows(parameters)));
  form.append(...requestPart(operation), el("p", {}, el("button", {}, "Send")), output);
  const inside = el("div");
  const block = /** @type {HTMLDetailsElement} */ (el("details", { id: operation.operationId }, el("summary", {}, el("span", { class: "method" }, method.toUpperCase()),
    el("code", {}, path), ` ${operation.summary}`), inside));
  block.addEventListener("toggle", () => {
    if (block.open && !inside.childNodes.length) {
      inside.append(el("p", { class: "soft" }, operation.description || "For anyone."), form, ...responsePart(operation));
    }
  });
  return block;
}

/** @type {Map<string, HTMLElement[]>} */
const groups = new Map();
for (const [path, methods] of Object.entries(shape.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    const tag = operation.tags[0];
    groups.set(tag, [...(groups.get(tag) || []), operationBlock(method, path, operation)]);
  }
}
for (const [tag, blocks] of groups) {
  document.querySelector("nav")?.append(el("a", { href: `#group-${tag}` }, tag));
  document.querySelector("main")?.append(el("h2", { id: `group-${tag}` }, tag), ...blocks);
}
document.getElementById(location.hash.slice(1))?.scrollIntoView();

export {};
