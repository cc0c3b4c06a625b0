"""Child processes: started, listened to, ended, and proven gone."""
