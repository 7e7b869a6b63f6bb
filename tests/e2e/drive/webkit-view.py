"""A WebKitGTK view of a phone's size on a profile that outlives it, which WebDriver's sessions do not have.

Takes JSON lines {"id", "do", ...} from stdin and answers {"id", "value"} or {"id", "error"} on stdout:
goto {url}, evaluate {expression}, picture {path}. Ends with stdin. Needs a display (xvfb-run gives one).
"""

import argparse
import json
import sys

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("WebKit2", "4.1")
from gi.repository import GLib, Gtk, WebKit2  # noqa: E402

# What phones have and this port keeps behind a switch.
FEATURES = {"StorageAPI", "StorageAPIEstimate"}

options = argparse.ArgumentParser()
options.add_argument("--profile", required=True)
options.add_argument("--size", default="390x844")
options.add_argument("--user-agent")
chosen = options.parse_args()

context = WebKit2.WebContext.new_with_website_data_manager(
    WebKit2.WebsiteDataManager(
        base_data_directory=chosen.profile + "/data",
        base_cache_directory=chosen.profile + "/cache",
    )
)
settings = WebKit2.Settings()
if chosen.user_agent:
    settings.set_user_agent(chosen.user_agent)
features = WebKit2.Settings.get_all_features()
for at in range(features.get_length()):
    if features.get(at).get_identifier() in FEATURES:
        settings.set_feature_enabled(features.get(at), True)

view = WebKit2.WebView.new_with_context(context)
view.set_settings(settings)
width, height = map(int, chosen.size.split("x"))
window = Gtk.OffscreenWindow()
window.set_default_size(width, height)
view.set_size_request(width, height)
window.add(view)
window.show_all()

loop = GLib.MainLoop()
# The goto that waits for its page.
going = []


def answer(number, **said):
    print(json.dumps({"id": number, **said}), flush=True)


def evaluate(number, expression):
    def done(_, result):
        try:
            value = view.call_async_javascript_function_finish(result)
            text = None if value.is_undefined() else value.to_json(0)
            answer(number, value=None if text is None else json.loads(text))
        except GLib.Error as error:
            answer(number, error=error.message)

    view.call_async_javascript_function(
        f"return ({expression});", -1, None, None, None, None, done
    )


def picture(number, path):
    def done(_, result):
        try:
            view.get_snapshot_finish(result).write_to_png(path)
            answer(number, value=None)
        except GLib.Error as error:
            answer(number, error=error.message)

    view.get_snapshot(
        WebKit2.SnapshotRegion.VISIBLE, WebKit2.SnapshotOptions.NONE, None, done
    )


def heard(source, _condition):
    line = source.readline()
    if not line:
        loop.quit()
        return False
    asked = json.loads(line)
    number = asked["id"]
    if asked["do"] == "goto":
        going.append(number)
        view.load_uri(asked["url"])
    elif asked["do"] == "evaluate":
        evaluate(number, asked["expression"])
    else:
        picture(number, asked["path"])
    return True


def load_changed(_, event):
    if event == WebKit2.LoadEvent.FINISHED:
        while going:
            answer(going.pop(), value=None)


def load_failed(_, _event, address, error):
    while going:
        answer(going.pop(), error=f"{address}: {error.message}")
    return False


def terminated(_, reason):
    print(f"the web process ended: {reason}", file=sys.stderr, flush=True)
    loop.quit()


def asks_permission(_, request):
    request.allow()
    return True


view.connect("load-changed", load_changed)
view.connect("load-failed", load_failed)
view.connect("web-process-terminated", terminated)
view.connect("permission-request", asks_permission)
GLib.io_add_watch(sys.stdin, GLib.IO_IN | GLib.IO_HUP, heard)
loop.run()
