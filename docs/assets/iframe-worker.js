// A page that is read from the disk may start no worker. There, what would be one runs in a hidden frame, so that
// search works. Material's offline plugin leaves its own script for this out when it sees one of this name; that
// one is fetched from elsewhere.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      this.scope = frame.contentWindow
      this.scope.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
      const load = (source) =>
        new Promise((resolve, reject) => {
          const script = this.scope.document.createElement("script")
          script.onload = resolve
          script.onerror = reject
          script.src = source
          this.scope.document.body.append(script)
        })
      this.scope.importScripts = (...sources) =>
        sources.reduce((before, source) => before.then(() => load(source)), Promise.resolve())
      this.ready = load(url)
    }

    postMessage(data) {
      this.ready.then(() => this.scope.dispatchEvent(new MessageEvent("message", { data })))
    }
  }
}
