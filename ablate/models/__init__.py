"""Networks: our own and foreign ones, their activation call sites, surgery on them, and what they cost.

zoo                                    networks by name
own_networks, resnet, mobilenet, shufflenet  our networks
trace, sites, call_site                a network as a graph; its activation calls
surgery                                a recipe's activation at the selected calls
features                               a network's maps, for detectors and segmenters
cost                                   parameters and multiply-adds
probe, probe_client                    a process that answers with torch, for one that has none
"""
