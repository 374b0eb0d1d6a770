server {
	listen 80;
	listen [::]:80;
	server_name www.example.com example.com;
	return 301 https://$host$request_uri;
}

server {
	listen 443 ssl http2;
	listen [::]:443 ssl http2;
	server_name www.example.com example.com;
	include /etc/nginx/snippets/ssl-example.conf;

	root /var/www/html;

	location ^~ /assets/ {
		expires 30d;
	}

	location / {
		include snippets/proxy.conf;
		proxy_pass http://app;
	}
}
