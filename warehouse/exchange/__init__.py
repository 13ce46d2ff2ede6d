"""What leaves the warehouse as files and documents: tables, statistics, footprints to share, gap lists, the data catalogue."""
