"""The page of the API's documentation, whose scripts come from this service: it works without internet."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import FileResponse, HTMLResponse

OPENAPI_PATH: Final = "/openapi.json"
_PAGE: Final = "/docs"
_PACKAGE: Final = "fastapi_offline"  # of which only the files of Swagger UI are used
_FILES: Final = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")
PATHS: Final = frozenset({OPENAPI_PATH, _PAGE, *(f"{_PAGE}/{name}" for name in _FILES)})
"""What is served without a token where the documentation is on."""


def add_docs(app: FastAPI) -> None:
    """Serve ``/docs``; raises `ModuleNotFoundError` that names the package if Swagger UI is not installed."""
    folder = _folder()

    @app.get(_PAGE, include_in_schema=False)
    async def page() -> HTMLResponse:
        script, style, icon = (f"{_PAGE}/{name}" for name in _FILES)
        return get_swagger_ui_html(
            openapi_url=OPENAPI_PATH,
            title=app.title,
            swagger_js_url=script,
            swagger_css_url=style,
            swagger_favicon_url=icon,
        )

    for name in _FILES:
        _serve(app, folder / name)


def _serve(app: FastAPI, path: Path) -> None:
    @app.get(f"{_PAGE}/{path.name}", include_in_schema=False)
    async def file() -> FileResponse:
        return FileResponse(path)


def _folder() -> Path:
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "the page /docs needs Swagger UI: pip install fastapi-offline, or set API_DOCS=false", name=_PACKAGE
        )
    return Path(spec.origin).parent / "static"
