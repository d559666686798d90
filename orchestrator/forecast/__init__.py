"""What would happen to a fleet: its schedule, played forward on a fake clock, through the rules that workers follow.

``rotation_course`` carries one rotation, ``connection_course`` one connection's certificates, ``weeks`` counts.
Nothing here reads the store or asks a system, and every value is the same in each run.
"""
