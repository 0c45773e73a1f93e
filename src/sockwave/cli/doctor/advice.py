"""What each fault means for clients, and what to change where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["FAULTS", "Advice"]


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do about a fault.

    Attributes:
        means: What it means, in a sentence.
        nginx: Lines for the `location` or `server`; empty where nginx has no part in it.
        haproxy: Lines for HAProxy.
        others: In words, for all other proxies, or for the server.
    """

    means: str
    nginx: str = ""
    haproxy: str = ""
    others: str = ""


FAULTS: Final[dict[str, Advice]] = {
    # --- the way there ----------------------------------------------------------------------------
    "unreachable": Advice(
        "Nobody takes connections there.",
        nginx="listen 443 ssl;",
        haproxy="bind :443 ssl crt FILE",
        others="Look at the name, the port, the firewall, and whether the proxy runs.",
    ),
    "no-answer": Advice(
        "The connection is open, and nothing comes back, or half an answer.",
        nginx="proxy_pass http://SERVER:PORT;",
        haproxy="server a SERVER:PORT",
        others="Look whether the proxy asks the right port of the server, and whether that runs. "
        "A port with TLS that is asked without it is silent, too: then use https.",
    ),
    "scheme": Advice(
        "The port wants TLS, and the URL is http.",
        others="Use the https URL in clients.",
    ),
    "redirect": Advice(
        "Clients are sent elsewhere: WebSockets follow no redirect, and a POST may lose its body.",
        nginx="location /socket.io/ { proxy_pass http://SERVER:PORT; }   # before any return 301",
        haproxy="http-request redirect scheme https if !{ ssl_fc } !{ path_beg /socket.io/ }",
        others="Give clients the URL that it is redirected to.",
    ),
    "login": Advice(
        "The proxy asks for a login before it passes anything on.",
        nginx="auth_basic off;",
        haproxy="http-request auth unless { path_beg /socket.io/ }",
        others="Leave the path of Socket.IO out, or give clients the header; here it is --header.",
    ),
    "path": Advice(
        "Somebody else answers: the path of Socket.IO does not come to the server as it is.",
        nginx="location /socket.io/ { proxy_pass http://SERVER:PORT; }   # no path behind the port",
        haproxy="use_backend chat if { path_beg /socket.io/ }   # and no http-request set-path",
        others="Pass the path on unchanged, query included, or set the server's and the clients' "
        "`path` to what it becomes; here it is --path.",
    ),
    "query": Advice(
        "The server does not hear what stands behind the question mark: no transport, no session.",
        nginx="proxy_pass http://SERVER:PORT;   # and take out: rewrite ...?, set $args",
        haproxy="# take out: http-request set-query; with set-path it stays",
        others="Pass the query on unchanged.",
    ),
    "upstream": Advice(
        "The proxy does not reach the server, or waits for it in vain.",
        nginx="proxy_pass http://SERVER:PORT;",
        haproxy="server a SERVER:PORT check",
        others="Look whether the server runs, listens where the proxy asks (0.0.0.0 in containers) "
        "and whether health checks take it out.",
    ),
    "forbidden": Advice(
        "The server refuses by allow_request, allowed_hosts or its origins, or the proxy does.",
        nginx="proxy_set_header Host $http_host;   # and look at: deny",
        haproxy="# look at: http-request deny, http-request set-header Host",
        others="If it is the server, its log says why. Give what it asks for with --header.",
    ),
    "rate-limit": Advice(
        "Too many requests of one address; behind a proxy that may be all clients together.",
        nginx="proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;   "
        "# and limit_req, limit_conn",
        haproxy="option forwardfor   # and look at: stick-table",
        others="Name the proxy in trusted_proxies of the server. Wait a minute and try again.",
    ),
    "version": Advice(
        "The server speaks an older Engine.IO than 4.",
        others="Servers of socket.io 2 take clients of that time alone.",
    ),
    "unexpected": Advice(
        "This is no answer of a Socket.IO server.",
        nginx="location /socket.io/ { proxy_pass http://SERVER:PORT; }",
        haproxy="use_backend chat if { path_beg /socket.io/ }",
        others="Ask the server itself, without the proxy, and compare.",
    ),
    "garbled": Advice(
        "Bytes are changed on the way.",
        nginx="gzip off;   # and take out: sub_filter",
        haproxy="# take out: filter compression",
        others="Turn off what rewrites bodies: compression, injected scripts, minifiers.",
    ),
    # --- TLS --------------------------------------------------------------------------------------
    "tls-plain": Advice(
        "The port speaks no TLS, and the URL is https.",
        nginx="listen 443 ssl;",
        haproxy="bind :443 ssl crt FILE",
        others="Turn TLS on for this port, or use the http URL.",
    ),
    "tls-protocol": Advice(
        "No version of TLS, or no cipher, that both sides know.",
        nginx="ssl_protocols TLSv1.2 TLSv1.3;",
        haproxy="bind :443 ssl crt FILE ssl-min-ver TLSv1.2",
        others="Offer TLS 1.2 and 1.3.",
    ),
    "tls-dates": Advice(
        "Clients refuse a certificate that is not valid today.",
        nginx="ssl_certificate FULLCHAIN;   # renew, then nginx -s reload",
        haproxy="bind :443 ssl crt FILE   # renew, then systemctl reload haproxy",
        others="Renew it, and load it: most proxies read it at their start only.",
    ),
    "tls-soon": Advice(
        "The certificate ends soon.",
        nginx="ssl_certificate FULLCHAIN;   # renew, then nginx -s reload",
        haproxy="bind :443 ssl crt FILE   # renew, then systemctl reload haproxy",
        others="Look why nobody has renewed it yet.",
    ),
    "tls-name": Advice(
        "The certificate is for another name.",
        nginx="server_name NAME; ssl_certificate FULLCHAIN;",
        haproxy="bind :443 ssl crt FILE   # a certificate with this name",
        others="Use a name that is in the certificate, or get one for this name.",
    ),
    "tls-untrusted": Advice(
        "Nobody whom this machine trusts has signed the certificate.",
        nginx="ssl_certificate FULLCHAIN;   # with the certificates between it and the root",
        haproxy="bind :443 ssl crt FILE   # key, certificate and those between it and the root",
        others="Serve the whole chain. For an authority of your own set SSL_CERT_FILE here, and "
        "tell clients of it; --insecure does not look.",
    ),
    "http2-only": Advice(
        "HTTP/1.1 is not spoken, and a WebSocket needs it.",
        nginx="listen 443 ssl;   # without http2 it is HTTP/1.1; with it both",
        haproxy="bind :443 ssl crt FILE alpn h2,http/1.1",
        others="Offer http/1.1 beside h2 (ALPN), and speak HTTP/1.1 to the server.",
    ),
    # --- polling ----------------------------------------------------------------------------------
    "transport-off": Advice(
        "The server does not serve this transport.",
        others="Look at `transports` of the server, and use the same in clients.",
    ),
    "polling-off": Advice(
        "Clients begin with polling unless they are told otherwise.",
        others='Give clients transports: ["websocket"], or the server polling, too.',
    ),
    "caching": Advice(
        "An answer for one client is given to others: they share sessions.",
        nginx="proxy_cache off;",
        haproxy="http-request cache-use NAME if !{ path_beg /socket.io/ }",
        others="Keep the path of Socket.IO out of every cache, CDNs included.",
    ),
    "stickiness": Advice(
        "Requests of one session come to servers that do not know it: clients begin anew for ever.",
        nginx="upstream chat { hash $remote_addr consistent; server ...; }",
        haproxy="cookie server insert indirect nocache   # and server a SERVER:PORT cookie a",
        others="Turn on sticky sessions, let clients use WebSocket alone, or join servers of one "
        "machine by WorkersAdapter.",
    ),
    "cookie-alone": Advice(
        "Clients without cookies, such as those in Node and pages of other origins, begin anew for "
        "ever, unless they use withCredentials.",
        nginx="upstream chat { hash $remote_addr consistent; server ...; }",
        haproxy="use-server a if { url_param(sid) -m end -- -a }   # see generate_id",
        others="Nothing is to be done if all clients keep cookies.",
    ),
    "held-back": Advice(
        "Answers and messages come late: somebody on the way collects them.",
        nginx="proxy_buffering off; limit_rate 0;",
        haproxy="option http-no-delay   # and look at: tcp-request inspect-delay",
        others="Turn off buffering of answers, scanners and bandwidth limits for this path. "
        "A handler that blocks the server's event loop does the same: look at its log.",
    ),
    "idle-poll": Advice(
        "A poll waits for an event; who cuts it earlier than the server pings loses clients.",
        nginx="proxy_read_timeout 60s;",
        haproxy="timeout server 60s   # and timeout client 60s",
        others="Idle time-outs for answers: more than ping_interval + ping_timeout (45 s), or "
        "a smaller ping_interval at the server.",
    ),
    # --- WebSocket --------------------------------------------------------------------------------
    "upgrade-headers": Advice(
        "The server is not told that a WebSocket is wanted, or hears HTTP/1.0.",
        nginx="proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
        'proxy_set_header Connection "upgrade";',
        haproxy="# take out: http-request del-header Upgrade; by itself it is passed on",
        others="Turn on WebSockets: HTTP/1.1 to the server, with Upgrade and Connection.",
    ),
    "upgrades-off": Advice(
        "Clients that begin with polling stay there.",
        others="Look at `allow_upgrades` and `transports` of the server.",
    ),
    "idle-websocket": Advice(
        "Who cuts a WebSocket earlier than the server pings loses clients.",
        nginx="proxy_read_timeout 60s; proxy_send_timeout 60s;",
        haproxy="timeout tunnel 60s   # and timeout client 60s",
        others="Idle time-outs for connections: more than ping_interval + ping_timeout (45 s), or "
        "a smaller ping_interval at the server.",
    ),
    "cut": Advice(
        "Somebody ends the connection when a WebSocket has begun.",
        nginx="proxy_http_version 1.1; proxy_read_timeout 60s;",
        haproxy="timeout tunnel 60s",
        others="Firewalls and scanners that know no WebSocket do so: wss helps against them.",
    ),
    "closed": Advice(
        "The server, or who speaks for it, closes the session.",
        others="The log of the server says why; so does a code (RFC 6455 section 7.4).",
    ),
    # --- pages ------------------------------------------------------------------------------------
    "host": Advice(
        "Pages of the server's own address are taken for those of another: it sees another Host.",
        nginx="proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;",
        haproxy="# take out: http-request set-header Host",
        others="Pass Host on as the browser has sent it, or name the origin in `cors`.",
    ),
    "preflight": Advice(
        "Browsers ask with OPTIONS before some requests, and get no leave.",
        nginx="limit_except GET POST OPTIONS { deny all; }   # and no login for OPTIONS",
        haproxy="http-request deny if !{ method GET POST OPTIONS }",
        others="Pass OPTIONS on to the server, and answer it in one place.",
    ),
    "origin-lost": Advice(
        "Browsers show no answer to pages of this origin. The server does not admit it, or does "
        "not hear of it: the header is taken away.",
        nginx='# take out: proxy_set_header Origin ""; proxy_hide_header Access-Control-...;',
        haproxy="# take out: http-request del-header Origin",
        others="Pass Origin on, and name the origin in `cors` of the server.",
    ),
    "origin-refused": Advice(
        "The server does not admit pages of this origin, or has no `cors` at all.",
        nginx="# take out: proxy_set_header Origin ...;",
        haproxy="# take out: http-request set-header Origin",
        others="Name exactly this origin, with its scheme and port, in `cors` of the server.",
    ),
    "origin-rewritten": Advice(
        "Another origin is admitted than the one that asks: somebody rewrites a header.",
        nginx="# take out: proxy_set_header Origin ...; add_header Access-Control-Allow-Origin",
        haproxy="# take out: http-response set-header Access-Control-Allow-Origin",
        others="Let the server alone answer: pass Origin on, and add no header of CORS.",
    ),
    "cors-doubled": Advice(
        "Server and proxy both answer for CORS, and browsers refuse two values.",
        nginx="# take out: add_header Access-Control-Allow-Origin ...;",
        haproxy="# take out: http-response add-header Access-Control-Allow-Origin",
        others="Let the server alone answer, by `cors`.",
    ),
    "credentials": Advice(
        "Pages of this origin may not send cookies.",
        nginx="# take out: add_header Access-Control-Allow-...;",
        haproxy="# take out: http-response set-header Access-Control-Allow-...",
        others='cors={"origin": ORIGIN, "credentials": True} at the server; "*" does not do.',
    ),
    # --- limits -----------------------------------------------------------------------------------
    "body-limit": Advice(
        "A client that sends many events at once, or large ones, is refused.",
        nginx="client_max_body_size 1m;   # no less than max_payload",
        haproxy="# look at: http-request deny if { req.body_size gt ... }: max_payload at least",
        others="Let bodies through up to max_payload of the server, or make that smaller.",
    ),
    "header-limit": Advice(
        "Clients with many cookies, or a long token, are refused.",
        nginx="large_client_header_buffers 4 16k;",
        haproxy="tune.bufsize 32768   # in global",
        others="Let heads through up to 16 kB, which the server takes.",
    ),
    "proxy-gzip": Advice(
        "A proxy compresses answers that are too small for it: work without a use.",
        nginx="gzip off;   # in this location",
        haproxy="compression type text/html text/css   # not text/plain",
        others="Leave the path of Socket.IO out, the server compresses large answers itself. If it "
        "was told to compress small ones, all is as it should be.",
    ),
    # --- clock ------------------------------------------------------------------------------------
    "clock": Advice(
        "Tokens with a date are refused too early or taken too long.",
        others="Set the clock of the server, or of this machine, by NTP.",
    ),
}
"""By the name of the fault."""
