"""How strong the tests are: what they run of the parts that must not be wrong, and which faults they see."""
