def render_page(document):
    return "<!doctype html>"
