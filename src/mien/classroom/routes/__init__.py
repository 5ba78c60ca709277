"""The addresses of the live class: pages, the teacher's and the student's requests, health, sockets."""
