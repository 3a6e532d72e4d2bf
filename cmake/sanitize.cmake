if(SPARSEMARK_SANITIZE)
  add_compile_options(-fsanitize=${SPARSEMARK_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SPARSEMARK_SANITIZE})
endif()
