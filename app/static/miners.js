/* PowerHive: the miners' list. A refresh leaves what the operator checked alone; rows are checked all at once. */
(function () {
  "use strict";
  var live = document.getElementById("live");
  var all = document.getElementById("all-rows");
  var picked = document.getElementById("picked");
  var shown = "";
  if (!live || !all) { return; }

  function boxes() { return Array.from(live.querySelectorAll("input[name=mac]")); }

  function count() {
    var checked = boxes().filter(function (box) { return box.checked; }).length;
    picked.textContent = checked ? picked.dataset.some.replace("{n}", checked) : picked.dataset.none;
    all.checked = checked > 0 && checked === boxes().length;
    all.indeterminate = checked > 0 && !all.checked;
  }

  // Cells that hold what the operator does, or what the refresh does not send, are not touched by it.
  window.Idiomorph.defaults.callbacks.beforeNodeMorphed = function (node) {
    return !(node.nodeType === Node.ELEMENT_NODE && node.hasAttribute("data-keep"));
  };

  live.addEventListener("htmx:configRequest", function (event) {
    if (event.target === live && shown) { event.detail.parameters.shown = shown; }
  });
  live.addEventListener("htmx:afterRequest", function (event) {
    if (event.target === live && event.detail.xhr.status === 200) { shown = event.detail.xhr.getResponseHeader("X-Version") || ""; }
    else if (event.target !== live) { shown = ""; }
  });

  all.addEventListener("change", function () { boxes().forEach(function (box) { box.checked = all.checked; }); count(); });
  document.addEventListener("change", function (event) { if (event.target.name === "mac") { count(); } });
  window.addEventListener("pageshow", count); // a browser that comes back to the page checks its boxes again
  all.hidden = false;
  picked.hidden = false;
  count();
})();
