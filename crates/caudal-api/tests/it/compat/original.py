"""Requests made by chance, and the original service's own answers to them.

Usage: original.py SEED COUNT, with FastAPI 0.104.1 and pydantic 2.5.0. Writes a JSON list of cases, as `cases.json` has them. One
seed always makes the same requests. Keys are never repeated, and nothing is queued: what is compared is what a body is answered.
"""

import asyncio
import base64
import datetime
import json
import random
import sys
from typing import List
from urllib.parse import unquote

from fastapi import FastAPI, Header
from pydantic import BaseModel

app = FastAPI()


class Factura(BaseModel):
    numero_factura: str
    rut_cliente: str
    monto: float
    fecha_emision: datetime.date


@app.post("/facturas/", status_code=202)
async def recibir(facturas: List[Factura], idempotency_key: str = Header(...)):
    return {"status": "OK", "detail": f"{len(facturas)} facturas recibidas y encoladas para procesamiento."}


VALID = {"numero_factura": '"F-1"', "rut_cliente": '"11111111-1"', "monto": "1500.5", "fecha_emision": '"2024-01-15"'}
VALUES = {
    "numero_factura": ['""', '"F-\\u00f1"', '"\\ud83d\\ude00"', '"\\/\\b\\f\\n\\r\\t"', '" F 1 "'],
    "rut_cliente": ['"1-9"', '"11.111.111-1"', '"x"', '"\\u001f\\"\\\\"', '"2-k"'],
    "monto": [
        "0", "-0", "-0.0", "1e3", "1E-2", "-250", "1500", "12345678901234.5678", "0.00005", "9999999999999999", '"1243"', '" 7 "', '"1_000"',
        '"+5"', '"-5"', '"1e2"', '"0x10"', '"1,5"', '".5"', '"5."', '"1__0"', '"_1"', '"1\\n"', '"\\u0661"', '"--1"', "01", "+1", ".5", "5.",
    ],
    "fecha_emision": [
        '"2024-02-29"', '"2023-02-29"', '"2024-1-5"', '"24-01-15"', '"2024-01-15T00:00:00"', '"2024-01-15 00:00"', '"2024-01-15T10:00:00Z"',
        '"2024-01-15T00:00:00+03:00"', '"2024-01-15T00:00:00.000"', '"2024-01-15T24:00:00"', '"0000-01-01"', '"9999-12-31"', "0", "86400",
        "1705276800", "1705276801", "1705276800000", "-86400", '"1705276800"', "1705276800.0", "1.5", '"2024-01-15T00:00:00\\u221203:00"',
        "253402214400", "1e20", '"2024-13-01"', '"2024-00-10"', '"2024-01-32"', '"20240115"', '"2024/01/15"', '"2024-01-15Z"',
    ],
}
OTHERS = ["null", "true", "false", "0", "1", "12.5", '""', '"x"', "[]", "{}", "[1]", '["a","b"]', '{"a":{}}', '"\\u00e9"', "[[[]]]"]
TYPES = [
    "application/json", "application/json; charset=utf-8", "application/vnd.a+json", "APPLICATION/JSON", "text/plain", "application/xml", "json",
    "application/json-patch", "application/x-www-form-urlencoded", "",
]
ELSEWHERE = [("GET", "/facturas/"), ("PUT", "/facturas/"), ("POST", "/facturas"), ("POST", "/nada"), ("POST", "/facturas/?x=1")]
DIGITS = "0123456789-+:.TtZz eE_,/"


def value(chance, name):
    pick = chance.random()
    if pick < 0.5:
        return VALID[name]
    if pick < 0.75:
        return chance.choice(VALUES[name])
    if pick < 0.9:
        text = chance.choice(VALUES[name] + [VALID[name]])
        return garbled(chance, text, DIGITS) if text.startswith('"') else text
    return chance.choice(OTHERS)


def garbled(chance, quoted, alphabet):
    """A text with one character changed, taken away or added; what follows a backslash stays."""
    text = quoted[1:-1]
    if "\\" in text:
        return quoted
    at = chance.randrange(len(text) + 1)
    end = at + chance.randrange(2)
    return json.dumps(text[:at] + chance.choice([chance.choice(alphabet), ""]) + text[end:], ensure_ascii=False)


def invoice(chance):
    if chance.random() < 0.05:
        return chance.choice(OTHERS)
    members = [(name, value(chance, name)) for name in VALID if chance.random() > 0.05]
    if chance.random() < 0.1:
        members.append((chance.choice([*VALID, "otro", ""]), chance.choice(OTHERS)))
    if chance.random() < 0.3:
        chance.shuffle(members)
    comma, colon = chance.choice([(",", ":"), (", ", ": "), ("\n\t,", "\t:\n")])
    return "{" + comma.join(json.dumps(name) + colon + text for name, text in members) + "}"


def body(chance):
    text = chance.choice(OTHERS)
    if chance.random() < 0.97:
        text = "[" + ",".join(invoice(chance) for _ in range(chance.choice([0, 1, 1, 1, 1, 2, 3]))) + "]"
    encoded = text.encode()
    pick = chance.random()
    if pick < 0.04:
        encoded = text.encode(chance.choice(["utf-16", "utf-16-le", "utf-32-be", "utf-8-sig", "latin-1"]), "replace")
    elif pick < 0.14 and encoded:
        at = chance.randrange(len(encoded))
        new = chance.choice([b"", chance.choice([b",", b'"', b"}", b"]", b":", b"\\", b"\xff", b" ", b"\x01", b"0", b"N"])])
        encoded = encoded[:at] + new + encoded[at + chance.randrange(2):]
    elif pick < 0.16:
        encoded = encoded[: chance.randrange(len(encoded) + 1)]
    return encoded


def request(chance, name):
    method, path = chance.choice(ELSEWHERE) if chance.random() < 0.02 else ("POST", "/facturas/")
    kind = "application/json" if chance.random() < 0.8 else chance.choice(TYPES)
    headers = {"content-type": kind} if chance.random() < 0.97 else {}
    if chance.random() < 0.97:
        headers["idempotency-key"] = name
    return {"method": method, "path": path, "headers": headers, "body": body(chance)}


async def answer(asked):
    """Asks the application itself, without a server between."""
    path, _, query = asked["path"].partition("?")
    headers = {"host": "localhost:8010", **asked["headers"]}
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": asked["method"], "scheme": "http", "path": unquote(path),
        "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "server": ("localhost", 8010), "client": ("127.0.0.1", 1),
        "headers": [(name.lower().encode(), text.strip().encode()) for name, text in headers.items()],
    }
    said = []

    async def receive():
        return {"type": "http.request", "body": asked["body"], "more_body": False}

    async def send(message):
        said.append(message)

    try:
        await app(scope, receive, send)
    except Exception:
        # The server answers what the application does not.
        return {"status": 500, "headers": {}, "body": ""}
    named = {name.decode(): text.decode() for name, text in said[0]["headers"]}
    kept = {name: named[name] for name in ("content-type", "allow", "location") if name in named}
    return {"status": said[0]["status"], "headers": kept, "body": b"".join(part.get("body", b"") for part in said[1:]).decode()}


async def main(seed, count):
    chance = random.Random(seed)
    cases = []
    for number in range(1, count + 1):
        name = f"generated-{seed}-{number}"
        asked = request(chance, name)
        answered = await answer(asked)
        asked["body_base64"] = base64.b64encode(asked.pop("body")).decode()
        cases.append({"name": name, "request": asked, "response": answered})
    sys.stdout.write("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
