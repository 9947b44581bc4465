// When an EventSource has given up, htmx 2 opens another one with the address that the page was made with. This takes
// the cursor along, so that nothing is told twice. The browser's own reconnects don't need it.
{
  const cursors = new Map();

  htmx.createEventSource = (address) => {
    const url = new URL(address, location.href);
    if (cursors.has(address)) url.searchParams.set("last_event_id", cursors.get(address));
    const source = new EventSource(url, { withCredentials: true });
    for (const type of ["message", "heartbeat", "comment"]) {
      source.addEventListener(type, ({ lastEventId }) => cursors.set(address, lastEventId));
    }
    source.addEventListener("reset", () => location.reload());
    return source;
  };
}
