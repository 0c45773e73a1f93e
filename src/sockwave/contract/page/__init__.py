"""The page that shows what a server says and hears, and tries it (docs/contract-page.md).

The server reaches it as an extension, when it is first asked for.

    serving.py      what is answered to a request
    static/         the page: no build step, nothing from elsewhere
"""
