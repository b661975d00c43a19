"""Where claimed trials run.

interface            what a dispatcher is
ray, ray_cluster, ray_home  on Ray; only `ray_cluster` imports ray
inline               in processes of this machine
own_process          a dispatcher in a process of its own, so that it cannot end the service
trial_worker         what runs on a worker
places, machines, this_machine  workers and their trials; what machines offer
leftovers            processes of a service that was killed
"""
