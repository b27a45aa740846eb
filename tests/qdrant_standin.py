"""Qdrant's protocol over HTTP, answered by its client's own local mode: what goes through the wire
is what a server gets. No index is built, so every search compares everything."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from qdrant_client import QdrantClient, models


class Standin(ThreadingHTTPServer):
    """Listens on a port of its own; ``key`` is wanted where it is given, ``requests`` are kept."""

    daemon_threads = True

    def __init__(self, key=None):
        self.client = QdrantClient(":memory:")
        self.key = key
        self.requests = []
        self.fails = []  # (part of method and path, status, body), each used up by one request
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def address(self, name):
        return f"qdrant+http://127.0.0.1:{self.server_address[1]}/{name}"


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def _answer(self):
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        path = self.path.split("?")[0]
        status, result = 200, None
        if self.server.key and self.headers.get("api-key") != self.server.key:
            status, result = 403, "forbidden"
        else:
            with self.server.lock:
                self.server.requests.append((self.command, path))
                fail = next(
                    (f for f in self.server.fails if f[0] in f"{self.command} {path}"), None
                )
                if fail:
                    self.server.fails.remove(fail)
                    status, result = fail[1:]
                else:
                    result = self._do(path.strip("/").split("/"), body)
        if result is None:
            status = 404
        said = json.dumps(
            {"result": result, "status": "ok", "time": 0}
            if status == 200
            else {"status": {"error": str(result)}, "time": 0}
        ).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = _answer  # noqa: N815

    def _do(self, parts, body):
        db, method = self.server.client, self.command
        plain = lambda found: found.model_dump(mode="json")  # noqa: E731
        done = {"operation_id": 0, "status": "completed"}
        match [method, *parts]:
            case ["GET", "collections"]:
                return plain(db.get_collections())
            case ["GET", "aliases"]:
                return plain(db.get_aliases())
            case ["POST", "collections", "aliases"]:
                wanted = models.ChangeAliasesOperation(**body)
                return db.update_collection_aliases(wanted.actions)
            case ["GET", "collections", name, "exists"]:
                return {"exists": db.collection_exists(name)}
            case ["GET", "collections", name]:
                return plain(db.get_collection(name)) if db.collection_exists(name) else None
            case ["PUT", "collections", name]:
                wanted = models.CreateCollection(**body)
                return db.create_collection(
                    name,
                    vectors_config=wanted.vectors,
                    sparse_vectors_config=wanted.sparse_vectors,
                    metadata=wanted.metadata,
                )
            case ["PATCH", "collections", name]:
                return db.update_collection(name, metadata=models.UpdateCollection(**body).metadata)
            case ["DELETE", "collections", name]:
                return db.delete_collection(name)
            case ["PUT", "collections", _, "index"]:
                return done
            case ["PUT", "collections", name, "points"]:
                db.upsert(name, models.PointsList(**body).points)
                return done
            case ["POST", "collections", name, "points"]:
                wanted = models.PointRequest(**body)
                return [plain(p) for p in db.retrieve(name, wanted.ids, with_payload=True)]
            case ["POST", "collections", name, "points", "delete"]:
                db.delete(name, models.FilterSelector(**body))
                return done
            case ["POST", "collections", name, "points", "count"]:
                return plain(db.count(name, models.CountRequest(**body).filter))
            case ["POST", "collections", name, "points", "query", "batch"]:
                wanted = models.QueryRequestBatch(**body).searches
                return [plain(answer) for answer in db.query_batch_points(name, wanted)]
        raise AssertionError(f"the stand-in doesn't know {method} {self.path}")
