"""As much of the Hugging Face hub's HTTP interface as its client needs to send and to fetch small models."""

import base64
import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class LocalHub:
    """A hub on this machine.

    Attributes:
        repositories: name -> path -> bytes, as it is now.
    """

    def __init__(self):
        self.repositories = {}
        self._before = {}  # commit -> path -> bytes
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def commit(self, name):
        """The commit a repository is at; it stays to be had."""
        files = dict(self.repositories[name])
        digests = sorted((path, hashlib.sha1(data).hexdigest()) for path, data in files.items())
        sha = hashlib.sha1(repr(digests).encode()).hexdigest()
        self._before[sha] = files
        return sha

    def _at(self, name, revision):
        """A repository's commit and its files there, or None."""
        sha = self.commit(name) if revision in (None, "main") else revision
        return (sha, self._before[sha]) if sha in self._before else None

    def _handler(hub):  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def _answer(self, code, content=b"", **headers):
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(code)
                for key, value in headers.items():
                    self.send_header(key.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            def _missing(self, what):
                self._answer(
                    404, {"error": "not found"}, X_Error_Code=f"{what}NotFound", X_Error_Message="not found"
                )

            def do_POST(self):
                body = (
                    self.rfile.read(int(self.headers["Content-Length"]))
                    if "Content-Length" in self.headers
                    else b""
                )
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = self._chunks()
                path = self.path.split("?")[0]
                if path == "/api/repos/create":
                    asked = json.loads(body)
                    name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
                    hub.repositories.setdefault(name, {})
                    self._answer(200, {"url": f"{hub.address}/{name}", "name": name})
                elif found := re.fullmatch(r"/api/models/(\S+/\S+)/preupload/main", path):
                    files = json.loads(body)["files"]
                    modes = [
                        {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                        for file in files
                    ]
                    self._answer(200, {"files": modes})
                elif found := re.fullmatch(r"/api/models/(\S+/\S+)/commit/main", path):
                    for line in map(json.loads, body.splitlines()):
                        if line["key"] == "file":
                            data = base64.b64decode(line["value"]["content"])
                            hub.repositories[found[1]][line["value"]["path"]] = data
                    sha = hub.commit(found[1])
                    self._answer(
                        200, {"commitUrl": f"{hub.address}/{found[1]}/commit/{sha}", "commitOid": sha}
                    )
                elif path == "/api/validate-yaml":
                    self._answer(200, {"errors": [], "warnings": []})
                else:
                    self._missing("Entry")

            def _chunks(self):
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def do_GET(self):
                path = self.path.split("?")[0]
                if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(/(revision|tree)/([^/]+))?", path):
                    name, kind, revision = found[1], found[3], found[4]
                    if name not in hub.repositories:
                        return self._missing("Repo")
                    found = hub._at(name, revision)
                    if found is None:
                        return self._missing("Revision")
                    sha, files = found
                    if kind == "tree":
                        return self._answer(
                            200,
                            [
                                {
                                    "type": "file",
                                    "path": path,
                                    "size": len(data),
                                    "oid": hashlib.sha1(data).hexdigest(),
                                }
                                for path, data in files.items()
                            ],
                        )
                    siblings = [{"rfilename": path} for path in files]
                    return self._answer(200, {"id": name, "sha": sha, "siblings": siblings, "private": False})
                if found := re.fullmatch(r"/([^/]+/[^/]+)/(?:resolve|raw)/([^/]+)/(.+)", path):
                    name, revision, file = found.groups()
                    if name not in hub.repositories:
                        return self._missing("Repo")
                    found = hub._at(name, revision)
                    if found is None:
                        return self._missing("Revision")
                    sha, data = found[0], found[1].get(file)
                    if data is None:
                        return self._missing("Entry")
                    etag = f'"{hashlib.sha1(data).hexdigest()}"'
                    return self._answer(200, data, ETag=etag, X_Repo_Commit=sha)
                return self._missing("Entry")

            def do_HEAD(self):
                self.do_GET()

        return Handler
