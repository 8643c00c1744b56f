/* PowerHive: pause refreshing while hidden, say when contact is lost, count ages on between refreshes. */
(function () {
  "use strict";
  var live = document.getElementById("live");
  var contact = document.getElementById("contact");
  var lostAt = null;
  var seen = new WeakMap(); // element with an age -> {text: as the server gave it, at: when we saw it}

  function words(seconds) { // as app/web/page.py writes ages
    var whole = Math.floor(seconds);
    if (whole < 120) { return whole + " s"; }
    if (whole < 7200) { return Math.floor(whole / 60) + " min"; }
    if (whole < 172800) { return Math.floor(whole / 3600) + " h"; }
    return Math.floor(whole / 86400) + " d";
  }

  function tick() {
    var now = performance.now();
    document.querySelectorAll("[data-age-s]").forEach(function (element) {
      var given = element.getAttribute("data-age-s");
      var known = seen.get(element);
      if (!known || known.text !== given) {
        known = { text: given, at: now };
        seen.set(element, known);
      }
      var text = words(parseFloat(given) + (now - known.at) / 1000);
      if (element.textContent !== text) { element.textContent = text; }
    });
    document.querySelectorAll("[data-left-s]").forEach(function (element) { // time left: counts down
      var given = element.getAttribute("data-left-s");
      var known = seen.get(element);
      if (!known || known.text !== given) {
        known = { text: given, at: now };
        seen.set(element, known);
      }
      var text = words(Math.max(0, parseFloat(given) - (now - known.at) / 1000));
      if (element.textContent !== text) { element.textContent = text; }
    });
    if (lostAt !== null) {
      document.getElementById("contact-age").textContent = words((now - lostAt) / 1000);
    }
  }

  function lost() {
    if (lostAt === null) { lostAt = performance.now(); }
    contact.hidden = false;
    live.classList.add("stale");
  }

  function found() {
    lostAt = null;
    contact.hidden = true;
    live.classList.remove("stale");
  }

  // The server shows times as the reader's clock does, from the next page on.
  var zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && document.cookie.indexOf("timezone=" + zone) < 0) {
    document.cookie = "timezone=" + zone + ";path=/;max-age=31536000;samesite=lax";
  }

  // What was ordered and refused is said where it is seen, with the server's own sentence. A refresh has no such voice.
  var refused = document.getElementById("refused");
  function say(event) {
    if (event.detail.requestConfig.verb === "get") { return; }
    var page = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html");
    var why = page.getElementById("why");
    refused.textContent = why ? why.textContent : refused.dataset.unanswered;
    refused.hidden = false;
  }
  ["htmx:responseError", "htmx:sendError", "htmx:timeout"].forEach(function (name) { document.body.addEventListener(name, say); });
  document.body.addEventListener("htmx:beforeRequest", function (event) {
    if (event.detail.requestConfig.verb !== "get") { refused.hidden = true; }
  });

  // A page that is being left takes no answer any more: that of a refresh on its way could lead somewhere else. Leaving
  // ends by itself: where the browser's stop, or a connection that failed, has kept the page, it goes on.
  var LEAVING_MS = 10000;
  var leftAt = null;
  function leaving() { return leftAt !== null && performance.now() - leftAt < LEAVING_MS; }
  document.addEventListener("submit", function (event) { leftAt = event.defaultPrevented ? null : performance.now(); });
  window.addEventListener("pageshow", function () { leftAt = null; });
  document.body.addEventListener("htmx:beforeOnLoad", function (event) {
    if (leaving()) { event.preventDefault(); event.detail.dropped = true; }
  });

  setInterval(tick, 1000);
  if (!live || !contact) { return; }

  document.body.addEventListener("htmx:beforeRequest", function (event) {
    if (document.hidden && event.target === live) { event.preventDefault(); }
  });
  document.addEventListener("visibilitychange", function () {
    if (!document.hidden) { document.body.dispatchEvent(new CustomEvent("refresh")); }
  });
  document.body.addEventListener("htmx:afterRequest", function (event) {
    if (event.target !== live || event.detail.dropped) { return; } // PowerHive did answer
    if (event.detail.successful) { found(); } else { lost(); }
  });
  // Only what was swapped begins anew: the ages of all other parts are still those they were given with.
  var swapped = [];
  document.body.addEventListener("htmx:oobBeforeSwap", function (event) { swapped.push(event.detail.target); });
  document.body.addEventListener("htmx:afterSwap", function (event) {
    swapped.concat(event.target).forEach(function (part) {
      part.querySelectorAll("[data-age-s], [data-left-s]").forEach(function (element) { seen.delete(element); });
    });
    swapped = [];
    tick();
  });
})();
