"""`fashiontag serve`: look, correct, teach and search in a browser and over HTTP.

`desk` is plain Python and knows nothing of HTTP; `queue` says in which order products come, and
`lessons` what decisions teach;
`web` wraps the desk for FastAPI, the only module that needs the extra ``[serve]``; `guard` stands
before all of it; `pages/` is what a browser gets.
"""
