"use strict";

// Shows one API document. It is fetched first and handed over whole: given an
// address, the browser would ask an outside validator about it.
(async () => {
  const place = document.getElementById("document");
  const answer = await fetch(place.dataset.source);
  window.SwaggerUIBundle({
    domNode: place,
    spec: await answer.json(),
    deepLinking: true,
    validatorUrl: null,
  });
})();
