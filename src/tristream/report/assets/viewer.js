// Draws the maps of one subject with niivue, and shows the numbers of the place that is clicked.
"use strict";
(async () => {
  const NOTHING = -32768;
  const FAINT = 0.3;
  const byId = (id) => document.getElementById(id);

  async function unpack(text, kind) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const planes = new Uint8Array(await new Response(stream).arrayBuffer());
    const size = kind.BYTES_PER_ELEMENT;
    const count = planes.length / size;
    const out = new Uint8Array(planes.length);
    for (let byte = 0; byte < size; byte++) {
      for (let i = 0; i < count; i++) out[i * size + byte] = planes[byte * count + i];
    }
    return new kind(out.buffer);
  }

  async function valuesOf(overlay) {
    if (!overlay.values) {
      if (overlay.step === 0) overlay.values = await unpack(overlay.data, Float32Array);
      else {
        const numbers = await unpack(overlay.data, Int16Array);
        overlay.values = Float64Array.from(numbers, (n) => (n === NOTHING ? NaN : n * overlay.step));
      }
    }
    return overlay.values;
  }

  function written(overlay, value) {
    if (Number.isNaN(value)) return "–";
    if (overlay.labels) return overlay.labels[Math.round(value)];
    if (overlay.step === 0) return value === 0 || value >= 1e-4 ? value.toFixed(5) : value.toExponential(2);
    return value.toFixed(Math.max(0, Math.round(-Math.log10(overlay.step))));
  }

  // A NIfTI image in memory: 2 is one byte of grey, 2304 are four of RGBA.
  function nifti(shape, affine, type, content) {
    const buffer = new ArrayBuffer(352 + content.length);
    const header = new DataView(buffer);
    header.setInt32(0, 348, true);
    [3, ...shape, 1, 1, 1, 1].forEach((n, i) => header.setInt16(40 + 2 * i, n, true));
    header.setInt16(70, type, true);
    header.setInt16(72, type === 2 ? 8 : 32, true);
    const zooms = [0, 1, 2].map((i) => Math.hypot(affine[0][i], affine[1][i], affine[2][i]));
    [1, ...zooms, 1, 1, 1, 1].forEach((n, i) => header.setFloat32(76 + 4 * i, n, true));
    header.setFloat32(108, 352, true);
    header.setFloat32(112, 1, true);
    header.setUint8(123, 2);
    header.setInt16(254, 1, true);
    affine.slice(0, 3).forEach((row, i) =>
      row.forEach((n, j) => header.setFloat32(280 + 16 * i + 4 * j, n, true)));
    [0x6e, 0x2b, 0x31, 0].forEach((n, i) => header.setUint8(344 + i, n));
    new Uint8Array(buffer, 352).set(content);
    return buffer;
  }

  function apply(affine, point) {
    return [0, 1, 2].map((i) =>
      affine[i][0] * point[0] + affine[i][1] * point[1] + affine[i][2] * point[2] + affine[i][3]);
  }

  function inverse(affine) {
    const [a, b, c] = affine;
    const cross = (u, v) => [
      u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    const columns = [cross(b, c), cross(c, a), cross(a, b)];
    const det = a[0] * columns[0][0] + a[1] * columns[0][1] + a[2] * columns[0][2];
    const rows = [0, 1, 2].map((i) => columns.map((column) => column[i] / det));
    return rows.map((row) => [
      ...row, -(row[0] * a[3] + row[1] * b[3] + row[2] * c[3])]);
  }

  const data = JSON.parse(byId("data").textContent);
  const tables = {};
  for (const [name, text] of Object.entries(data.colours)) tables[name] = await unpack(text, Uint8Array);
  const groups = data.groups;
  for (const group of groups) {
    if (group.significant) group.significant = await unpack(group.significant, Uint8Array);
  }
  const quiet = {
    backColor: [0, 0, 0, 1], show3Dcrosshair: true, dragAndDropEnabled: false, loadingText: "",
    isNearestInterpolation: true, isOrientationTextVisible: true, crosshairColor: [1, 1, 1, 0.7],
    crosshairWidth: 0.7, crosshairWidthUnit: "mm", logLevel: "error",
  };
  const state = { group: null, overlay: null, values: null, place: -1 };
  let slices = null;
  let surface = null;

  // RGBA of every place under the chosen map, threshold and opacity.
  function painted() {
    const { group, overlay, values } = state;
    const out = new Uint8Array(4 * data.places);
    const table = tables[overlay.colours];
    const least = Number(byId("threshold").value);
    const opacity = Number(byId("opacity").value);
    const fade = byId("faint").checked && group.significant;
    for (let i = 0; i < data.places; i++) {
      const value = values[i];
      if (Number.isNaN(value) || (!overlay.labels && least > 0 && Math.abs(value) < least)) continue;
      let colour;
      if (overlay.labels) {
        if (value < 1) continue;
        const hex = overlay.palette[value - 1];
        colour = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
      } else {
        const share = overlay.colours === "two-sided" ? (value / overlay.full + 1) / 2 : value / overlay.full;
        const row = 3 * Math.round(255 * Math.min(1, Math.max(0, share)));
        colour = table.subarray(row, row + 3);
      }
      out.set(colour, 4 * i);
      out[4 * i + 3] = 255 * opacity * (fade && !group.significant[i] ? FAINT : 1);
    }
    return out;
  }

  async function makeSlices() {
    const volume = data.volume;
    const [nx, ny, nz] = volume.shape;
    const place = await unpack(volume.place, Int32Array);
    const where = await unpack(volume.where, Int32Array);
    const at = new Int32Array(nx * ny * nz).fill(-1);
    const voxel = new Map();
    where.forEach((flat, i) => {
      at[flat] = place[i];
      voxel.set(place[i], [flat % nx, Math.floor(flat / nx) % ny, Math.floor(flat / (nx * ny))]);
    });
    const back = inverse(volume.affine);
    const grey = await unpack(volume.grey.data, Uint8Array);
    const nv = new niivue.Niivue(quiet);
    await nv.attachToCanvas(byId("slices").firstElementChild);
    const below = nifti(volume.grey.shape, volume.grey.affine, 2, grey);
    const above = nifti(volume.shape, volume.affine, 2304, new Uint8Array(4 * nx * ny * nz));
    nv.addVolume(await niivue.NVImage.new(below, "grey.nii", "gray", 1, null, 0, 255));
    nv.addVolume(await niivue.NVImage.new(above, "map.nii"));
    nv.setInterpolation(true);
    nv.setSliceType(nv.sliceTypeMultiplanar);
    nv.onLocationChange = ({ mm }) => {
      const [i, j, k] = apply(back, mm).map(Math.round);
      const inside = i >= 0 && j >= 0 && k >= 0 && i < nx && j < ny && k < nz;
      choose(inside ? at[i + nx * (j + ny * k)] : -1, mm);
    };
    const mmOf = (chosen) => (voxel.has(chosen) ? apply(volume.affine, voxel.get(chosen)) : null);
    const goTo = (mm) => {
      nv.scene.crosshairPos = nv.mm2frac(mm);
      nv.drawScene();
      nv.onLocationChange({ mm });
    };
    const paint = (colours) => {
      const image = nv.volumes[1].img;
      where.forEach((flat, i) => image.set(colours.subarray(4 * place[i], 4 * place[i] + 4), 4 * flat));
      nv.updateGLVolume();
    };
    return { nv, mmOf, goTo, paint };
  }

  // niivue picks a vertex at a double click alone; here one click is enough, if the mouse stays where it is.
  async function attachPicked(nv, canvas) {
    await nv.attachToCanvas(canvas);
    let from = [0, 0];
    canvas.addEventListener("mousedown", (event) => { from = [event.offsetX, event.offsetY]; });
    canvas.addEventListener("click", ({ offsetX, offsetY }) => {
      if (Math.hypot(offsetX - from[0], offsetY - from[1]) > 3) return;
      nv.mousePos = [offsetX * nv.uiData.dpr, offsetY * nv.uiData.dpr];
      nv.uiData.mouseDepthPicker = true;
      nv.drawScene();
    });
  }

  async function makeSurface(kind) {
    const nv = surface ? surface.nv : new niivue.Niivue(quiet);
    if (!surface) await attachPicked(nv, byId("surface").firstElementChild);
    for (const mesh of [...nv.meshes]) nv.removeMesh(mesh);
    const sides = [];
    for (const side of data.surface.sides) {
      const mesh = side[kind];
      const points = Float32Array.from(await unpack(mesh.points, Int16Array), (n) => n * mesh.step);
      const faces = Uint32Array.from(await unpack(mesh.faces, Uint16Array));
      const place = await unpack(side.place, Int32Array);
      const grey = await unpack(side.grey, Uint8Array);
      const colours = new Uint8Array(4 * place.length).fill(255);
      const drawn = new niivue.NVMesh(points, faces, side.side, colours, 1, true, nv.gl);
      nv.addMesh(drawn);
      nv.setMeshShader(drawn.id, kind === "flat" ? "Flat" : "Matte");
      const used = new Uint8Array(place.length);
      faces.forEach((vertex) => { used[vertex] = 1; });
      sides.push({ name: side.side, points, place, grey, colours, drawn, used });
    }
    nv.setSliceType(nv.sliceTypeRender);
    nv.setRenderAzimuthElevation(kind === "flat" ? 0 : 110, kind === "flat" ? 90 : 10);
    nv.setScale(kind === "flat" ? 1.7 : 1.3);
    nv.onLocationChange = ({ mm }) => {
      let best = null;
      let least = Infinity;
      for (const side of sides) {
        for (let v = 0; v < side.place.length; v++) {
          if (!side.used[v]) continue;
          const d = (side.points[3 * v] - mm[0]) ** 2 + (side.points[3 * v + 1] - mm[1]) ** 2
            + (side.points[3 * v + 2] - mm[2]) ** 2;
          if (d < least) [least, best] = [d, [side, v]];
        }
      }
      const [side, vertex] = best;
      choose(side.place[vertex], null, `${side.name}, vertex ${vertex}`);
    };
    const vertexOf = (chosen) => {
      for (const side of sides) {
        const vertex = side.place.findIndex((p, v) => p === chosen && side.used[v]);
        if (vertex >= 0) return [...side.points.subarray(3 * vertex, 3 * vertex + 3)];
      }
      return null;
    };
    const goTo = (mm) => {
      nv.scene.crosshairPos = nv.mm2frac(mm, 0, true);
      nv.drawScene();
      nv.onLocationChange({ mm });
    };
    const paint = (colours) => {
      for (const side of sides) {
        for (let v = 0; v < side.place.length; v++) {
          const from = 4 * side.place[v];
          const alpha = from < 0 ? 0 : colours[from + 3] / 255;
          for (let c = 0; c < 3; c++) {
            side.colours[4 * v + c] = (1 - alpha) * side.grey[v] + (alpha ? alpha * colours[from + c] : 0);
          }
        }
        side.drawn.updateMesh(nv.gl);
      }
      nv.drawScene();
    };
    return { nv, kind, mmOf: vertexOf, goTo, paint };
  }

  function row(body, name, value, shown = false) {
    const line = body.insertRow();
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    line.append(head);
    const cell = line.insertCell();
    cell.textContent = value;
    if (shown) line.className = "shown";
    return { head, cell };
  }

  function swatchOf(colour) {
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = colour;
    return swatch;
  }

  // Opens what a group tells of single places, once; `row` is place to column of its arrays.
  async function detailsOf(group) {
    const told = group.details;
    if (!told.places || told.row) return;
    const kept = await unpack(told.places, Int32Array);
    for (const part of [told.responses, told.stimuli]) {
      for (const one of part ? Object.values(part) : []) if (one.data) await valuesOf(one);
    }
    told.row = new Map();
    kept.forEach((place, i) => told.row.set(place, i));
  }

  function drawn(kind, attributes, parent, text = "") {
    const one = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
    if (text) one.textContent = text;
    parent.append(one);
    return one;
  }

  // Curves over delays: zero as a line, the first and last delay below.
  function plot(cell, seconds, bands) {
    const most = Math.max(...bands.flatMap((band) => band.curve.map(Math.abs)));
    const from = seconds[0];
    const span = seconds[seconds.length - 1] - from || 1;
    const x = (at) => (8 + 224 * (at - from) / span).toFixed(1);
    const y = (value) => (40 - 34 * value / most).toFixed(1);
    const label = bands.map(({ name, curve }) => {
      const peak = curve.indexOf(Math.max(...curve));
      return `${name} largest after ${seconds[peak]} s`;
    }).join(", ");
    const svg = drawn("svg", { viewBox: "0 0 240 94", role: "img", "aria-label": label }, cell);
    drawn("line", { x1: 8, x2: 232, y1: 40, y2: 40, stroke: "currentColor", "stroke-opacity": 0.4 }, svg);
    for (const { colour, curve } of bands) {
      const points = curve.map((value, i) => `${x(seconds[i])},${y(value)}`);
      const dots = points.length < 13 ? points : [];
      drawn("polyline", { points: points.join(" "), fill: "none", stroke: colour, "stroke-width": 2 }, svg);
      for (const point of dots) {
        const [cx, cy] = point.split(",");
        drawn("circle", { cx, cy, r: 2.5, fill: colour }, svg);
      }
    }
    const below = { y: 90, fill: "currentColor", "font-size": 11 };
    drawn("text", { ...below, x: 8 }, svg, `${from} s`);
    drawn("text", { ...below, x: 232, "text-anchor": "end" }, svg, `${from + span} s`);
  }

  function tellResponses(body, { seconds, bands, curve, length }, at, kept) {
    const own = bands.map((band, b) => ({
      ...band,
      length: length.values[b * kept + at],
      curve: seconds.map((_, d) => curve.values[(b * seconds.length + d) * kept + at]),
    })).filter((band) => !Number.isNaN(band.curve[0]));
    if (own.length === 0) {
      row(body, "HRF", "no band has a weight here");
      return;
    }
    plot(row(body, "HRF", "").cell, seconds, own);
    for (const band of own) {
      const peak = band.curve.indexOf(Math.max(...band.curve));
      const told = seconds.map((s, d) => [s, d]).filter(([, d]) => seconds.length < 13 || d === peak);
      const text = told.map(([s, d]) => `${s} s ${written(curve, band.curve[d])}`).join(", ");
      row(body, `HRF of ${band.name}`, text).head.prepend(swatchOf(band.colour));
      row(body, `length of weights of ${band.name}`, written(length, band.length));
    }
  }

  function tellDetails(body, told, place) {
    const at = told.row.get(place);
    const kept = told.row.size;
    if (at === undefined) {
      row(body, "HRF, top stimuli", `kept for the ${kept} places that training data predict best`);
      return;
    }
    if (told.responses) tellResponses(body, told.responses, at, kept);
    else row(body, "HRF", `none: ${told.why.responses}`);
    if (!told.stimuli) {
      row(body, "top stimuli", `none: ${told.why.stimuli}`);
      return;
    }
    const { names, index, measured, predicted } = told.stimuli;
    for (let rank = 0; rank * kept < index.values.length; rank++) {
      const i = rank * kept + at;
      const which = names[Math.round(index.values[i])];
      const means = `${written(measured, measured.values[i])}, predicted ${written(predicted, predicted.values[i])}`;
      row(body, `top stimulus ${rank + 1}`, `${which}: ${means}`);
    }
  }

  async function choose(place, mm, where = "") {
    state.place = place;
    const group = state.group;
    for (const overlay of group.overlays) await valuesOf(overlay);
    if (state.place !== place || state.group !== group) return;
    const body = byId("readout");
    body.replaceChildren();
    const own = slices ? slices.mmOf(place) : null;
    if (where) row(body, "vertex", where);
    if (own || mm) row(body, own ? "voxel at (mm)" : "at (mm)", (own || mm).slice(0, 3).map((n) => n.toFixed(1)).join(", "));
    if (place < 0) {
      row(body, "values", "none here");
      return;
    }
    let best = null;
    for (const overlay of group.overlays) {
      const value = overlay.values[place];
      row(body, overlay.name, written(overlay, value), overlay === state.overlay);
      const band = overlay.name.startsWith("R² of ") ? overlay.name.slice(6) : "";
      if (band && value > 0 && (!best || value > best.value)) best = { band, value };
    }
    if (group.significant) row(body, "significant", group.significant[place] ? "yes" : "no");
    if (best) row(body, "largest share of R²", `${best.band} (${group.layers[best.band]})`);
    if (group.details.row) tellDetails(body, group.details, place);
  }

  const seen = () => (byId("view").value === "volume" ? slices : surface);

  async function paint() {
    const threshold = byId("threshold");
    byId("threshold-value").textContent = state.overlay.labels ? "" : Number(threshold.value).toPrecision(2);
    if (seen()) seen().paint(painted());
  }

  async function show() {
    const kind = byId("view").value;
    byId("slices").hidden = kind !== "volume";
    byId("surface").hidden = kind === "volume";
    if (data.volume && !slices) slices = await makeSlices();
    if (kind !== "volume" && (!surface || surface.kind !== kind)) surface = await makeSurface(kind);
    seen().nv.resizeListener();
    await paint();
    const mm = state.place >= 0 ? seen().mmOf(state.place) : null;
    if (mm) seen().goTo(mm);
    if (!byId("controls").hidden) document.documentElement.dataset.ready = kind;
  }

  async function pickMap() {
    const overlay = state.group.overlays[Number(byId("map").value)];
    state.overlay = overlay;
    state.values = await valuesOf(overlay);
    const two = overlay.colours === "two-sided";
    const threshold = byId("threshold");
    threshold.max = overlay.full;
    threshold.value = 0;
    threshold.disabled = Boolean(overlay.labels);
    const bar = byId("bar");
    bar.hidden = Boolean(overlay.labels);
    byId("low").textContent = overlay.labels ? "" : two ? `−${overlay.full}` : "0";
    byId("high").textContent = overlay.labels ? "" : `${overlay.full}`;
    byId("names").replaceChildren();
    if (overlay.labels) {
      overlay.palette.forEach((colour, i) => {
        byId("names").append(swatchOf(colour), overlay.labels[i + 1]);
      });
    } else {
      const image = new ImageData(256, 1);
      for (let i = 0; i < 256; i++) image.data.set([...tables[overlay.colours].subarray(3 * i, 3 * i + 3), 255], 4 * i);
      bar.getContext("2d").putImageData(image, 0, 0);
    }
    const test = state.group.significant ? ` Significant: ${state.group.test}.` : "";
    const { lag } = state.group.details;
    const stimuli = lag === undefined ? "" : ` Top stimuli: by the BOLD ${lag} s after them.`;
    byId("what").textContent = `${overlay.what}.${test}${stimuli}`;
    await paint();
    if (state.place >= 0) await choose(state.place, null);
  }

  function options(select, names, first = []) {
    select.replaceChildren(...first, ...names.map(([name, value]) => new Option(name, value)));
  }

  async function pickGroup() {
    state.group = groups[Number(byId("group").value)];
    await detailsOf(state.group);
    const maps = state.group.overlays.map((one, i) => [one.name, i, one.colours]);
    options(byId("map"), maps.filter(([, , colours]) => colours));
    byId("faint").disabled = !state.group.significant;
    options(byId("region"), state.group.regions.map((one, i) => [one.name, i]), [new Option("none chosen", "")]);
    byId("region").parentElement.hidden = state.group.regions.length === 0;
    byId("of-region").replaceChildren();
    await pickMap();
  }

  function pickRegion() {
    byId("of-region").replaceChildren();
    if (byId("region").value === "") return;
    const region = state.group.regions[Number(byId("region").value)];
    row(byId("of-region"), "region", region.name, true);
    for (const [name, value] of region.rows) row(byId("of-region"), name, value);
    const { place } = region;
    const mm = slices ? slices.mmOf(place) : null;
    if (mm) row(byId("of-region"), "its largest r at (mm)", mm.map((n) => n.toFixed(1)).join(", "));
    if (seen().mmOf(place)) seen().goTo(seen().mmOf(place));
    else if (mm) {
      byId("view").value = "volume";
      show().then(() => slices.goTo(mm));
    }
  }

  function goToPeak() {
    let best = -1;
    state.values.forEach((value, i) => {
      if (value > (best < 0 ? -Infinity : state.values[best]) && seen().mmOf(i)) best = i;
    });
    if (best >= 0) seen().goTo(seen().mmOf(best));
  }

  try {
    options(byId("group"), groups.map((one, i) => [one.name, i]));
    window.viewer = { data, state, seen };
    state.group = groups[0];
    options(byId("map"), state.group.overlays.map((one, i) => [one.name, i]).slice(0, 1));
    state.overlay = state.group.overlays[0];
    state.values = await valuesOf(state.overlay);
    await show();
    await pickGroup();
    for (const form of ["controls", "places"]) {
      byId(form).hidden = false;
      byId(form).addEventListener("submit", (event) => event.preventDefault());
    }
    byId("group").addEventListener("change", pickGroup);
    byId("map").addEventListener("change", pickMap);
    byId("view").addEventListener("change", show);
    for (const id of ["threshold", "opacity", "faint"]) byId(id).addEventListener("input", paint);
    byId("region").addEventListener("change", pickRegion);
    byId("peak").addEventListener("click", goToPeak);
    goToPeak();
    document.documentElement.dataset.ready = byId("view").value;
  } catch (error) {
    byId("failed").hidden = false;
    byId("failed").textContent = `The maps could not be drawn: ${error.message}. They need WebGL 2; the subject's page has them as figures.`;
  }
})();
