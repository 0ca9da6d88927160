"""What a sweep found, for people: tables, figures and one self-contained page, from the store
alone.
"""
