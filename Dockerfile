# nst on a CPU:  docker build -t nst . && docker run --rm -v "$PWD:/work" nst stylize photo.jpg painting.jpg -o out.png
FROM python:3.12-slim
COPY . /src
RUN pip install --no-cache-dir --constraint /src/constraints.txt '/src[cli,onnx,protect,video,web]' && rm -rf /src
RUN useradd --create-home painter
USER painter
WORKDIR /work
ENTRYPOINT ["nst"]
CMD ["--help"]
