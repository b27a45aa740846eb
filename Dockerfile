# docker build -t fashiontag .                       a plain install, CUDA's libraries included (6 GB)
# docker build -t fashiontag --build-arg TORCH_INDEX=ADDRESS .
#                       torch from ADDRESS first: that of PyTorch's CPU packages makes a small image,
#                       that of a CUDA version one that fits the host's driver
# docker run --rm -v "$PWD:/data" fashiontag tag images/ --titles titles.csv
# With a GPU, add `--gpus all`. This file was not built where it was written: there was no Docker.
FROM python:3.11-slim

ARG TORCH_INDEX=""
ARG EXTRAS="serve"

RUN useradd --create-home --uid 1000 tagger
WORKDIR /opt/fashiontag
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY fashiontag fashiontag
COPY prompts prompts
RUN if [ -n "$TORCH_INDEX" ]; then \
      pip install --no-cache-dir --index-url "$TORCH_INDEX" torch torchvision && \
      pip install --no-cache-dir ".[${EXTRAS}]"; \
    else \
      pip install --no-cache-dir --constraint constraints.txt ".[${EXTRAS}]"; \
    fi

USER tagger
WORKDIR /data
ENTRYPOINT ["fashiontag"]
CMD ["--help"]
