"""`quorate compare`: the engines under the same load and faults, counted in the simulator and timed on live nodes.

The rule it keeps: nothing that is said about an engine is written here. Tables, plots and verdicts are made of the figures of the run;
a sentence of which the figures do not decide is "not decided", and what was not measured is listed with the reason.

    subjects     the engines by name, with the options that a node has by default; how long a message is on the wire
    figures      what was measured: samples, their median, and how sure that is
    rows         the lines of the table
    steps        what the simulator measures for one engine; crew runs the steps on all cores
    live         what is measured on real nodes: load, latency, failover
    claims       what is claimed of the engines, and the rules by which figures confirm or refute it
    table, plots, page, document     the results for people and machines
"""
