// uPlot formats numbers in the browser's language as soon as it is loaded, and some browsers name one that is none
// (en-US@posix, where the system has no locale): that would be the end of the page.
try {
  new Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, "language", { value: "en" });
}

export {};
