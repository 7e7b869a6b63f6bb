// What happens on this page, for the driver to collect. A classic script, so that it stands before any module can fail.

{
  let events = [];
  /** Adds one event; it must survive JSON. */
  globalThis.emit = (event) => events.push(event);
  /** Hands over what has happened since the last call, as JSON. */
  globalThis.takeEvents = () => {
    const taken = JSON.stringify(events);
    events = [];
    return taken;
  };

  const fail = (error) =>
    emit({
      type: "error",
      code: error?.code ?? "page",
      message: String(error?.message ?? error),
    });
  globalThis.emitError = fail;
  addEventListener("unhandledrejection", (event) => fail(event.reason));
  addEventListener(
    "error",
    (event) => {
      const from = event.target?.src;
      fail(event.error ?? (from ? `${from} did not load` : event.message));
    },
    true, // a script that does not load says so only on its own element
  );

  // The main thread must stay free: whatever holds it for 50 ms or more is reported.
  if (PerformanceObserver.supportedEntryTypes.includes("longtask")) {
    new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries())
        emit({ type: "longtask", startTime, duration });
    }).observe({ entryTypes: ["longtask"] });
  }
}
