"""What all that answers requests is made with: operations, their parameters and problems, lists of coins, and what they are given."""
