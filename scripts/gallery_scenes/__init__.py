"""What people do on the pages of the gallery: one module for each example, with `play`.

It ends when the windows show what the picture of the example is to show. The browser tests play the
same scenes.
"""
