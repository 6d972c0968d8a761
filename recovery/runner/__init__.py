"""One-shot machines inside a site: what they are told (`jobs`), and the program they run (`__main__`).

Whatever speaks SQL runs here. A machine boots from Lifeboat's bundle, reads its job from an object, writes
progress and result beside it, and ends. No inbound access, no agent; the data plane only.
"""
