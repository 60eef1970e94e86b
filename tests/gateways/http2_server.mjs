// Node's own HTTP/2 server, as an implementation that is not ours: echoes what it got as headers.
import { createSecureServer } from "node:http2";
import { readFileSync } from "node:fs";

const pem = readFileSync(process.argv[2]);
const server = createSecureServer({ key: pem, cert: pem, settings: { maxConcurrentStreams: 20, initialWindowSize: 3000 } });
server.on("stream", (stream, headers) => {
  let size = 0;
  stream.on("data", (piece) => (size += piece.length));
  stream.on("end", () => {
    stream.respond({ ":status": 201, location: headers[":path"], "x-size": size, "x-ttl": headers.ttl });
    stream.end("x".repeat(Number(headers["x-want"] ?? 0)));
  });
  stream.on("error", () => {});
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
